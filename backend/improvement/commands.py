"""Steps of tasks and meetings. Each raises AppError with the database's reason."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

from supabase import Client

from backend import db
from backend.improvement.models import Outcome


def propose(client: Client, facts: Mapping[str, Any], *, request_id: UUID) -> int:
    """A proposal {title, detail, shop_id, source, evidence, is_anonymous, meeting_id}; answers its id."""
    found: dict[str, int] = db.command(client, "propose_task", p=dict(facts), request_id=request_id)
    return found["id"]


def plan(
    client: Client,
    task_id: int,
    version: int,
    *,
    owner_id: int,
    deadline: datetime,
    criteria: Sequence[Mapping[str, Any]],
    request_id: UUID,
) -> None:
    """Owner, deadline and criteria; what the figures are now is frozen as the baseline."""
    facts = {
        "owner_id": owner_id,
        "deadline": deadline.isoformat(),
        "criteria": [dict(one) for one in criteria],
    }
    _step(client, "plan_task", task_id, version, request_id, p=facts)


def change_criteria(
    client: Client,
    task_id: int,
    version: int,
    criteria: Sequence[Mapping[str, Any]],
    reason: str,
    *,
    request_id: UUID,
) -> None:
    """Other criteria after the delivery, with a reason; the old ones and their measures are kept."""
    found = [dict(one) for one in criteria]
    _step(client, "change_criteria", task_id, version, request_id, p_criteria=found, p_reason=reason)


def start(client: Client, task_id: int, version: int, *, request_id: UUID) -> None:
    """Work has begun."""
    _step(client, "start_task", task_id, version, request_id)


def report(client: Client, task_id: int, version: int, progress: int, note: str, *, request_id: UUID) -> None:
    """How far it is, 0 to 100, and a note."""
    _step(client, "report_task", task_id, version, request_id, p_progress=progress, p_note=note)


def deliver(client: Client, task_id: int, version: int, note: str, *, request_id: UUID) -> None:
    """Done; `note` says what was changed. Measuring begins the next day."""
    _step(client, "deliver_task", task_id, version, request_id, p_note=note)


def confirm(client: Client, criterion_id: int, is_met: bool, *, request_id: UUID) -> None:
    """The named verifier's word on a criterion in words."""
    params = {"p_criterion_id": criterion_id, "p_is_met": is_met}
    db.command(client, "confirm_criterion", **params, request_id=request_id)


def judge(client: Client, task_id: int, version: int, accept: bool, reason: str, *, request_id: UUID) -> None:
    """Accept or fail by hand, with a reason; the measures stay."""
    _step(client, "judge_task", task_id, version, request_id, p_accept=accept, p_reason=reason)


def extend(
    client: Client, task_id: int, version: int, until: datetime, reason: str, *, request_id: UUID
) -> None:
    """Measure on until a day, when there was too little to judge by."""
    _step(client, "extend_task", task_id, version, request_id, p_until=until.isoformat(), p_reason=reason)


def retry(
    client: Client, task_id: int, version: int, deadline: datetime, reason: str, *, request_id: UUID
) -> None:
    """A failed task is worked on again: another round."""
    _step(
        client, "retry_task", task_id, version, request_id, p_deadline=deadline.isoformat(), p_reason=reason
    )


def cancel(client: Client, task_id: int, version: int, reason: str, *, request_id: UUID) -> None:
    """Not to be done."""
    _step(client, "cancel_task", task_id, version, request_id, p_reason=reason)


def save_rows(client: Client, items: Sequence[Mapping[str, Any]], *, request_id: UUID) -> tuple[Outcome, ...]:
    """Changed lines of the grid [{id, version, change}], each by itself: what became of each."""
    found = db.command(client, "save_tasks", p_items=[dict(one) for one in items], request_id=request_id)
    return tuple(Outcome.model_validate(row) for row in found)


def save_meeting(
    client: Client,
    month: date,
    shop_id: int | None,
    version: int | None,
    notes: str,
    *,
    hold: bool,
    request_id: UUID,
) -> int:
    """Notes of a month's review; `hold` keeps what lay on the table. Answers the meeting's id."""
    found: dict[str, int] = db.command(
        client,
        "save_meeting",
        p_month=month.isoformat(),
        p_shop_id=shop_id,
        p_version=version,
        p_notes=notes,
        p_hold=hold,
        request_id=request_id,
    )
    return found["id"]


def _step(client: Client, rpc: str, task_id: int, version: int, request_id: UUID, **more: Any) -> None:
    db.command(client, rpc, p_id=task_id, p_version=version, **more, request_id=request_id)
