"""What a person does with tickets. One request each; the database checks the right, the version, the state.

`request_id` makes a repeated click one action. Refusals are :class:`backend.errors.AppError`; those of single
tickets in a bulk action come back as values. Free text is masked before it leaves this process.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal
from uuid import UUID

from supabase import Client

from backend import compliance, db, pii
from backend.compliance import checking
from backend.imports import encode
from backend.service import Service
from backend.tickets.choices import BulkAction
from backend.tickets.models import Done, Draft, Moved, Preview, Registered, TicketRef
from backend.words import Result

MOST_REPLY = 2_000
"""Characters of a reply or note (product decision): chat tools take less."""
Step = Literal[
    "agree_return",
    "refuse_return",
    "send_return_goods",
    "receive_return",
    "refuse_return_goods",
    "start_refund",
    "finish_return",
    "cancel_return",
]


def register(client: Client, draft: Draft, *, request_id: UUID, force: bool = False) -> Registered:
    """Register a case. Without `force` one that looks like an open case is not registered: the answer has
    `duplicates` and no id.
    """
    p = _given(asdict(draft) | {"summary": masked(draft.summary)})
    return Registered.model_validate(
        db.command(client, "register_ticket", p=p | {"force": force}, request_id=request_id)
    )


def classify(client: Client, ref: TicketRef, facts: Mapping[str, Any], *, request_id: UUID) -> Moved:
    """Say what a case is: {type, severity, root_cause_id, department, freight_insurance}."""
    return _move(client, "classify_ticket", ref, request_id, p=dict(facts))


def take(client: Client, ref: TicketRef, *, request_id: UUID) -> Moved:
    """Take a ticket: out of the pool, from a colleague, or start one's own; its contact opens with it."""
    return _move(client, "take_ticket", ref, request_id)


def give_back(client: Client, ref: TicketRef, reason: str, *, request_id: UUID) -> Moved:
    """Put a ticket back into the pool; `reason` is one of REASONS["give_back"]."""
    return _move(client, "give_back_ticket", ref, request_id, p_reason=reason)


def dispatch(client: Client, ref: TicketRef, member_id: int | None, *, request_id: UUID) -> Moved:
    """Hand a ticket to a colleague; None lets the desk choose."""
    return _move(client, "dispatch_ticket", ref, request_id, p_member_id=member_id)


def wait(
    client: Client, ref: TicketRef, state: str, reason: str, until: datetime | None, *, request_id: UUID
) -> Moved:
    """Wait for the customer or for the return; deadlines pause where the policy says so."""
    facts = {"state": state, "reason": reason, "until": until and until.isoformat()}
    return _move(client, "wait_ticket", ref, request_id, p=_given(facts))


def resume(client: Client, ref: TicketRef, *, request_id: UUID) -> Moved:
    """Go on with a ticket that waited."""
    return _move(client, "resume_ticket", ref, request_id)


def resolve(
    client: Client,
    ref: TicketRef,
    *,
    outcome: str,
    solution: str,
    request_id: UUID,
    solution_id: int | None = None,
    told_on: str | None = None,
    told: str = "",
    reason: str = "",
    reship_tracking_no: str | None = None,
) -> Moved:
    """The case is solved (not closed: the customer is asked first). `told_on`: where he was told just now,
    `told`: with which words (as :func:`checked` answers them; none only for a call), `reason`: if warned.

    Raises `ticket.no_contact`, `ticket.money_open`, `ticket.return_open`, `ticket.money_missing` (the outcome
    costs money that was not granted or approved), `ticket.complaint_lead`.
    """
    facts = {
        "outcome": outcome,
        "solution": masked(solution),
        "solution_id": solution_id,
        "contact": told_on,
        "message": told or None,
        "message_reason": reason or None,
        "reship_tracking_no": reship_tracking_no,
    }
    return _move(client, "resolve_ticket", ref, request_id, p=_given(facts))


def reopen(client: Client, ref: TicketRef, reason: str, *, request_id: UUID) -> Moved:
    """Open a solved or closed ticket again; `reason` is one of REASONS["reopen"]."""
    return _move(client, "reopen_ticket", ref, request_id, p_reason=reason)


def cancel(client: Client, ref: TicketRef, reason: str, *, request_id: UUID) -> Moved:
    """Cancel a ticket; `reason` is one of REASONS["cancel"]."""
    return _move(client, "cancel_ticket", ref, request_id, p_reason=reason)


def merge(client: Client, source: TicketRef, target: TicketRef, *, request_id: UUID) -> Moved:
    """Merge a ticket into another one of the same case; its history stays readable."""
    answer = db.command(
        client,
        "merge_tickets",
        p_from=asdict(source),
        p_into=asdict(target),
        request_id=request_id,
    )
    return Moved.model_validate(answer)


def link(
    client: Client, ref: TicketRef, order_id: int | None, *, request_id: UUID, tracking_no: str | None = None
) -> Moved:
    """Name the order of a ticket, or (None) the parcel it is about. Raises `ticket.order_fixed`."""
    facts = {"p_order_id": order_id, "p_tracking_no": tracking_no}
    return _move(client, "link_ticket", ref, request_id, **facts)


def set_contact(
    client: Client, keyring: pii.Keyring, ref: TicketRef, clear: Mapping[str, str], *, request_id: UUID
) -> Moved:
    """How to reach the customer of a case without an order: {receiver, phone, address} in clear text,
    encrypted here. Raises `ticket.contact_of_order`, `contact.form`.
    """
    number = db.rpc(client, "reserve_contact_ids", p_count=1)[0]
    contact = encode.Contact(
        receiver=clear.get("receiver") or None,
        phone=clear.get("phone") or None,
        address=clear.get("address") or None,
        province=None,
        city=None,
        district=None,
        postcode=None,
        buyer_note=None,
        seller_note=None,
    )
    cells = _given(encode.seal(keyring, contact, number).cells)
    return _move(client, "set_ticket_contact", ref, request_id, p_contact=cells)


def return_step(
    client: Client, name: Step, ref: TicketRef, facts: Mapping[str, Any], *, request_id: UUID
) -> Moved:
    """A step of the return: its carrier and number, what arrived, what is refunded."""
    answer = db.command(
        client,
        name,
        p_ticket_id=ref.id,
        p_version=ref.version,
        p=_given(dict(facts)),
        request_id=request_id,
    )
    return Moved.model_validate(answer)


def preview(
    client: Client, action: BulkAction, items: Sequence[TicketRef], facts: Mapping[str, Any]
) -> Preview:
    """What `change` would do with many tickets; changes nothing."""
    params = {"p_action": action, "p_items": [asdict(item) for item in items], "p": dict(facts)}
    return Preview.model_validate(db.rpc(client, "preview_tickets", **params))


def change(
    client: Client,
    action: BulkAction,
    items: Sequence[TicketRef],
    facts: Mapping[str, Any],
    *,
    request_id: UUID,
) -> Done:
    """One step with many tickets (at most 500); what could not be done comes back with its reason.

    `facts`: reassign {member_id}, give_back {reason}, classify {type, severity, root_cause_id, …}.
    """
    params = {"p_action": action, "p_items": [asdict(item) for item in items], "p": dict(facts)}
    return Done.model_validate(db.command(client, "change_tickets", **params, request_id=request_id))


def undo(client: Client, batch: int, *, request_id: UUID) -> Done:
    """Take my own bulk action of the last ten minutes back."""
    return Done.model_validate(db.command(client, "undo_tickets", p_batch=batch, request_id=request_id))


def look(service: Service, body: str, platform: str | None) -> Result:
    """The word check of a reply that is being written; stores nothing."""
    return compliance.look(service.rpc, body, kind="reply", platform=platform)


def reply(
    client: Client,
    service: Service,
    ticket_id: int,
    *,
    shop_id: int,
    platform: str | None,
    author_id: int,
    channel: str,
    body: str,
    request_id: UUID,
    direction: str = "out",
    reason: str = "",
) -> None:
    """Record what was said: to the customer (`out`), by the customer (`in`), among colleagues (`note`).

    What goes out is checked first. Raises `text.blocked` (terms), `text.reason_missing` (terms) while a
    warning has no `reason`.
    """
    if direction == "out":
        text = checked(service, ticket_id, body, shop_id=shop_id, platform=platform, author_id=author_id)
    else:
        text = masked(checking.normal(body).strip())
    facts = {"direction": direction, "channel": channel, "body": text, "reason": reason or None}
    db.command(client, "add_message", p_ticket_id=ticket_id, p=_given(facts), request_id=request_id)


def checked(
    service: Service, ticket_id: int, body: str, *, shop_id: int, platform: str | None, author_id: int
) -> str:
    """The words of a reply as they are stored, with their verdict on record."""
    text = masked(checking.normal(body).strip())
    place = compliance.Subject(
        text, "reply", shop_id, "ticket_reply", ticket_id, platform=platform, author_id=author_id
    )
    compliance.check(service.rpc, [place])
    return text


def save_draft(client: Client, ticket_id: int, body: str) -> None:
    """Keep what I am writing to this customer; empty text forgets it."""
    db.rpc(client, "save_draft", p_ticket_id=ticket_id, p_body=masked(body))


def masked(text: str) -> str:
    """Free text as it is stored: without phones and signatures."""
    return pii.mask_free_text(text) or ""


def _move(client: Client, name: str, ref: TicketRef, request_id: UUID, **params: Any) -> Moved:
    answer = db.command(client, name, p_id=ref.id, p_version=ref.version, **params, request_id=request_id)
    return Moved.model_validate(answer)


def _given(values: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: str(value) if isinstance(value, Decimal) else value
        for name, value in values.items()
        if value is not None
    }
