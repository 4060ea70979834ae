"""Money of a ticket: what its handler may grant, what somebody else has to approve, and the steps of both.

The database judges (纠纷处理权限表) and says why; amounts are CNY. Refusals are AppError.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from supabase import Client

from backend import db, pii
from backend.errors import AppError
from backend.row import Row
from backend.tickets.models import TicketRef


class Approver(Row):
    """Somebody whose limit covers an amount; the best first."""

    id: int
    name: str
    limit: Decimal | None = None
    on_duty: bool = False


class Authority(Row):
    """What of a pot the handler may still grant; `limit` null: no limit but the calculation."""

    pot: str
    limit: Decimal | None = None
    used: Decimal = Decimal(0)
    left: Decimal | None = None
    complaint: bool = False
    approvers: tuple[Approver, ...] = ()


class Judged(Row):
    """How an amount stands to the authority table; `why` (codes) is empty when the handler may grant it."""

    amount: Decimal
    limit: Decimal | None = None
    used: Decimal = Decimal(0)
    needs_approval: bool
    why: tuple[str, ...] = ()
    approvers: tuple[Approver, ...] = ()
    due_at: datetime | None = None
    facts: dict[str, Any] | None = None
    approval_id: int | None = None


def authority(client: Client, ticket_id: int) -> tuple[Authority, ...]:
    """Limit and use of every pot for a ticket. Raises `ticket.none`."""
    return tuple(
        Authority.model_validate(row) for row in db.rpc(client, "authority_of", p_ticket_id=ticket_id)
    )


def preview(client: Client, ticket_id: int, facts: Mapping[str, Any]) -> Judged:
    """What `request` would answer; changes nothing."""
    return Judged.model_validate(db.rpc(client, "preview_money", p_ticket_id=ticket_id, p=dict(facts)))


def request(client: Client, ref: TicketRef, facts: Mapping[str, Any], *, request_id: UUID) -> Judged:
    """Promise money {kind, amount | gift_sku, gift_quantity, reason, evidence}: granted, or asked for."""
    given = dict(facts) | {"reason": pii.mask_free_text(str(facts["reason"]))}
    return Judged.model_validate(
        db.command(
            client,
            "request_money",
            p_ticket_id=ref.id,
            p_version=ref.version,
            p=given,
            request_id=request_id,
        )
    )


def change(
    client: Client, money_id: int, version: int, facts: Mapping[str, Any], *, request_id: UUID
) -> Judged:
    """Another amount {amount} for what was asked for: it is judged anew, and asked anew where it must."""
    answer = db.command(
        client, "change_money", p_id=money_id, p_version=version, p=dict(facts), request_id=request_id
    )
    unrefused(answer)
    return Judged.model_validate(answer)


def cancel(client: Client, money_id: int, version: int, reason: str, *, request_id: UUID) -> None:
    """Take back what was not paid."""
    _step(client, "cancel_money", money_id, version, request_id, p_reason=reason)


def mark_paid(client: Client, money_id: int, version: int, *, reference: str = "", request_id: UUID) -> None:
    """Note that exactly this amount has left."""
    _step(client, "mark_paid", money_id, version, request_id, p_reference=reference)


def _step(client: Client, name: str, money_id: int, version: int, request_id: UUID, **params: Any) -> None:
    """A step whose refusal may come as an answer, because the attempt is recorded."""
    answer = db.command(client, name, p_id=money_id, p_version=version, **params, request_id=request_id)
    unrefused(answer)


def unrefused(answer: Mapping[str, Any]) -> None:
    """A refusal that came as an answer, because the attempt is recorded, as the AppError it is."""
    if refused := answer.get("refused"):
        raise AppError(refused["key"], status=refused["status"], params=refused["params"])
