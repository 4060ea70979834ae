"""What people do with the library. One request each; the database checks right and version.

`request_id` is an id of the intention, so that doing it twice is doing it once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from supabase import Client

from backend import db
from backend.compliance.checking import normal
from backend.library.checking import check_script
from backend.library.models import (
    Gift,
    OfferDraft,
    OfferStep,
    ScriptDraft,
    ScriptStep,
    SolutionDraft,
    SolutionState,
    as_json,
)
from backend.service import Service
from backend.words import Result

# --- scripts ---


def save_script(
    client: Client,
    service: Service,
    draft: ScriptDraft,
    *,
    request_id: UUID,
    script_id: int | None = None,
    version: int | None = None,
) -> tuple[int, int, dict[int, Result]]:
    """Write a script, or a new text of one, and check it at once: id, version, shop → result.

    Raises `script.variable`, `script.brace`, `script.stage`, `script.product`, `script.bad_value`,
    `script.stale`,
    `script.not_yours`, `script.none`, `shop.none`.
    """
    wanted = as_json(draft) | {"title": normal(draft.title).strip(), "body": normal(draft.body).strip()}
    answer = db.command(
        client,
        "save_script",
        request_id=request_id,
        p_id=script_id,
        p_version=version,
        p_script=wanted,
    )
    return int(answer["id"]), int(answer["version"]), check_script(service.rpc, answer["id"])


def move_script(
    client: Client,
    script_id: int,
    version: int,
    step: ScriptStep,
    *,
    request_id: UUID,
    reason: str = "",
) -> str:
    """Take a step and answer the state after it. Raises what `ScriptDetail.rights` names, `script.stale`."""
    answer = db.command(
        client,
        "move_script",
        request_id=request_id,
        p_id=script_id,
        p_version=version,
        p_action=step,
        p_reason=reason or None,
    )
    return str(answer["state"])


def use_script(
    client: Client,
    script_id: int,
    shop_id: int,
    *,
    request_id: UUID,
    case: tuple[str, int] | None = None,
) -> None:
    """Note that I copied a script, for a case ("lead" | "ticket" | "order", id) if there is one.

    Raises `script.not_offered`, `library.case_none`, `shop.none`.
    """
    db.command(
        client,
        "use_script",
        request_id=request_id,
        p_id=script_id,
        p_shop_id=shop_id,
        p_entity=case[0] if case else None,
        p_entity_id=case[1] if case else None,
    )


# --- knowledge ---


def save_root_cause(
    client: Client,
    facts: Mapping[str, Any],
    *,
    request_id: UUID,
    cause_id: int | None = None,
    version: int | None = None,
) -> int:
    """Add or change a cause {parent_id, name, position, is_active}; answers its id.

    Raises `cause.none`, `cause.place`, `cause.name_taken`, `cause.stale`, `cause.bad_value`.
    """
    answer = db.command(
        client,
        "save_root_cause",
        request_id=request_id,
        p_id=cause_id,
        p_version=version,
        p_cause=dict(facts),
    )
    return int(answer["id"])


def save_reason(
    client: Client,
    facts: Mapping[str, Any],
    *,
    request_id: UUID,
    reason_id: int | None = None,
    version: int | None = None,
) -> int:
    """Add a reason {purpose, text} or change one {text, is_active}. Raises `reason.stale`,
    `reason.bad_value`."""
    answer = db.command(
        client,
        "save_reason",
        request_id=request_id,
        p_id=reason_id,
        p_version=version,
        p_reason=dict(facts),
    )
    return int(answer["id"])


def save_solution(
    client: Client,
    draft: SolutionDraft,
    *,
    request_id: UUID,
    solution_id: int | None = None,
    version: int | None = None,
) -> tuple[int, int]:
    """Write a solution; answers id and version. Raises `solution.bad_value`, `solution.stale`,
    `solution.not_yours`."""
    answer = db.command(
        client,
        "save_solution",
        request_id=request_id,
        p_id=solution_id,
        p_version=version,
        p_solution=as_json(draft),
    )
    return int(answer["id"]), int(answer["version"])


def set_solution_state(
    client: Client, solution_id: int, version: int, state: SolutionState, *, request_id: UUID
) -> None:
    """Publish, retire, or bring back as a draft. Raises `solution.state`, `solution.expired`,
    `solution.stale`."""
    db.command(
        client,
        "set_solution_state",
        request_id=request_id,
        p_id=solution_id,
        p_version=version,
        p_state=state,
    )


def use_solution(
    client: Client,
    solution_id: int,
    ticket_id: int,
    *,
    request_id: UUID,
    helpful: bool | None = None,
) -> None:
    """Note that a solution was used for a ticket, and whether it helped once that is known.

    Raises `solution.not_offered`, `library.case_none`.
    """
    db.command(
        client,
        "use_solution",
        request_id=request_id,
        p_id=solution_id,
        p_ticket_id=ticket_id,
        p_helpful=helpful,
    )


# --- gifts and prices ---


def save_offer(
    client: Client,
    draft: OfferDraft,
    *,
    request_id: UUID,
    offer_id: int | None = None,
    version: int | None = None,
) -> int:
    """Write a rule, or one that shall replace another; it waits for a manager who did not write it. Its id.

    Raises `offer.bad_value`, `offer.product`, `offer.stale`, `offer.state`, `offer.none`, `shop.none`.
    """
    answer = db.command(
        client,
        "save_offer",
        request_id=request_id,
        p_id=offer_id,
        p_version=version,
        p_rule=as_json(draft),
    )
    return int(answer["id"])


def move_offer(
    client: Client,
    offer_id: int,
    version: int,
    step: OfferStep,
    *,
    request_id: UUID,
    note: str = "",
) -> str:
    """Approve, refuse or end a rule; answers the state after it. Raises what `Offer.rights` names,
    `offer.stale`."""
    answer = db.command(
        client,
        "move_offer",
        request_id=request_id,
        p_id=offer_id,
        p_version=version,
        p_action=step,
        p_note=note or None,
    )
    return str(answer["state"])


def promise_gift(client: Client, order_id: int, rule_id: int, *, request_id: UUID) -> int:
    """Promise the gift of a rule on an order; answers the gift's id.

    Raises `gift.rule`, `gift.amount`, `gift.product`, `gift.manager`, `gift.twice`, `gift.order_closed`,
    `order.none`.
    """
    answer = db.command(
        client, "promise_order_gift", request_id=request_id, p_order_id=order_id, p_rule_id=rule_id
    )
    return int(answer["id"])


def cancel_gift(client: Client, gift_id: int, version: int, reason: str, *, request_id: UUID) -> None:
    """Take a promised gift back before it is packed. Raises `gift.not_yours`, `gift.reason_missing`,
    `gift.packed`,
    `gift.stale`."""
    db.command(
        client,
        "cancel_gift",
        request_id=request_id,
        p_id=gift_id,
        p_version=version,
        p_reason=reason,
    )


def pack_gifts(
    client: Client, gifts: Sequence[Gift], *, request_id: UUID, packed: bool = True
) -> tuple[int, int]:
    """Tick gifts as packed (or take the ticks back): how many were, how many had changed meanwhile."""
    answer = db.command(
        client,
        "pack_gifts",
        request_id=request_id,
        p_items=[{"id": gift.id, "version": gift.version} for gift in gifts],
        p_packed=packed,
    )
    return int(answer["done"]), int(answer["refused"])
