"""What a person does with leads. One request each; the database checks the right, the version, the state.

`request_id` makes a repeated click one action. Refusals are :class:`backend.errors.AppError`; those of single
leads in a bulk action come back as values. Contacts are encrypted and free text masked before they leave
this process.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from supabase import Client

from backend import db
from backend.errors import AppError
from backend.leads import reads
from backend.leads.choices import BulkAction
from backend.leads.contacts import CONTACT_FIELDS, lead_row, masks, sealed, unreachable
from backend.leads.models import (
    AskedOrder,
    Captured,
    CaptureResult,
    Done,
    Draft,
    LeadRef,
    Moved,
    Preview,
    PromiseRow,
    Refused,
)
from backend.orders import reads as orders
from backend.pii import Keyring, letters, mask_free_text


def capture(
    client: Client,
    keyring: Keyring,
    shop_id: int,
    drafts: Sequence[Draft],
    *,
    request_id: UUID,
    via: str = "manual",
    keep: bool = False,
) -> CaptureResult:
    """Capture up to 500 leads; `keep`: they are mine. Rows that are no lead come back with their reason.

    What somebody typed must reach the customer as a file's cell must; an order's contact is taken as it is.
    Raises `shop.none`, `bulk.too_many`, `lead.bad_value`.
    """
    typed = [] if via == "order" else [asdict(draft) for draft in drafts]
    wrong = {n: bad for n, contact in enumerate(typed, 1) if (bad := unreachable(contact))}
    places = [n for n in range(1, len(drafts) + 1) if n not in wrong]
    refused = [Refused(row=n, refusal=bad) for n, bad in wrong.items()]
    if wrong and not places:
        return CaptureResult(refused=tuple(refused))
    ids: list[int] = db.rpc(client, "reserve_contact_ids", p_count=max(len(places), 1))
    rows = [lead_row(keyring, drafts[n - 1], contact_id) for n, contact_id in zip(places, ids, strict=False)]
    answer = db.command(
        client,
        "create_leads",
        request_id=request_id,
        p_shop_id=shop_id,
        p_leads=rows,
        p_via=via,
        p_keep=keep,
    )
    made = CaptureResult.model_validate(answer)
    refused += [bad.model_copy(update={"row": places[bad.row - 1]}) for bad in made.refused]
    return made.model_copy(update={"refused": tuple(sorted(refused, key=lambda bad: bad.row))})


def capture_order(
    client: Client,
    keyring: Keyring,
    order: AskedOrder,
    needs: Sequence[str],
    *,
    request_id: UUID,
    keep: bool = False,
) -> CaptureResult:
    """The customer of an order as a lead; the contact is opened (recorded) when the order has one.

    Unpaid orders are 催付's: their lead says asked_unpaid. Raises what `capture` raises.
    """
    clear = None
    if order.phone_masked or order.receiver_masked:
        clear = orders.reveal(client, keyring, order.id, reason="contact_customer")
    draft = Draft(
        name=clear.receiver if clear else "",
        phone=clear.phone if clear else "",
        buyer_account=order.buyer_account or "",
        needs=tuple(needs),
        source="asked_unpaid" if order.status == "unpaid" else "order",
    )
    return capture(client, keyring, order.shop_id, [draft], request_id=request_id, via="order", keep=keep)


def update(
    client: Client,
    keyring: Keyring,
    ref: LeadRef,
    facts: Mapping[str, Any],
    *,
    request_id: UUID,
    contact: Mapping[str, str] | None = None,
    contact_id: int | None = None,
) -> Captured:
    """What became known: needs, source, intent, budget, membership, buyer_account; `contact` in clear text.

    `contact_id` is the one that `reveal_row` named (None: the lead had none yet). Raises what `unreachable`
    says, and what the database refuses.
    """
    change = dict(facts)
    if contact and (bad := unreachable(contact)):
        raise AppError(bad)
    if contact:
        number = contact_id or db.rpc(client, "reserve_contact_ids", p_count=1)[0]
        change |= masks(contact) | {"contact": sealed(keyring, number, contact) | {"id": number}}
    answer = db.command(
        client,
        "update_lead",
        request_id=request_id,
        p_id=ref.id,
        p_version=ref.version,
        p_change=change,
    )
    return Captured.model_validate(answer)


def grade(client: Client, ref: LeadRef, to: str, reason: str, *, request_id: UUID) -> Captured:
    """Set the grade by hand; `reason` is one of REASONS["grade"]. Time already used stays used."""
    return Captured.model_validate(_step(client, "grade_lead", ref, request_id, p_grade=to, p_reason=reason))


def claim(client: Client, lead_id: int, *, request_id: UUID) -> Captured:
    """Take a lead out of the pool. Raises `lead.taken`, `lead.resting`, `lead.cool_off`, …"""
    return Captured.model_validate(db.command(client, "claim_lead", request_id=request_id, p_id=lead_id))


def claim_next(
    client: Client, shop_id: int, count: int = 1, *, request_id: UUID, grade: str | None = None
) -> tuple[tuple[Captured, ...], int]:
    """The most urgent leads of a shop's pool, and how many more may be claimed today."""
    answer = db.command(
        client,
        "claim_next_leads",
        request_id=request_id,
        p_shop_id=shop_id,
        p_count=count,
        p_grade=grade,
    )
    return tuple(Captured.model_validate(row) for row in answer["leads"]), int(answer["left"])


def take_over(client: Client, ref: LeadRef, *, request_id: UUID) -> Captured:
    """Take a colleague's lead while he is off duty. Raises `lead.owner_here`, `lead.claim_limit`."""
    return Captured.model_validate(_step(client, "take_over_lead", ref, request_id))


def give_back(client: Client, items: Sequence[LeadRef], reason: str, *, request_id: UUID) -> Done:
    """Put leads back into the pool; `reason` is one of REASONS["give_back"]."""
    return _bulk(client, "give_back_leads", items, request_id, p_reason=reason)


def assign(client: Client, items: Sequence[LeadRef], member_id: int, *, request_id: UUID) -> Done:
    """Managers and duty leads: these leads go to a seller. Raises `lead.bad_owner`, `lead.frozen`."""
    return _bulk(client, "assign_leads", items, request_id, p_member_id=member_id)


def move(client: Client, items: Sequence[LeadRef], stage: str, *, request_id: UUID) -> Done:
    """To another column of the board; `stage` is one of STAGES."""
    return _bulk(client, "move_leads", items, request_id, p_stage=stage)


_VALUE: Mapping[BulkAction, str] = {
    "assign": "member_id",
    "give_back": "reason",
    "move": "stage",
    "tag": "tag",
}


def preview(client: Client, action: BulkAction, items: Sequence[LeadRef], value: Any) -> Preview:
    """What `change` would do with up to 500 leads; changes nothing."""
    facts = {_VALUE[action]: str(value) if action == "assign" else value}
    refs = [asdict(item) for item in items]
    return Preview.model_validate(db.rpc(client, "preview_leads", p_action=action, p_items=refs, p=facts))


def change(
    client: Client, action: BulkAction, items: Sequence[LeadRef], value: Any, *, request_id: UUID
) -> Done:
    """Assign (value: member id), give back (reason), move (stage) or tag up to 500 leads."""
    return _bulk(client, f"{action}_leads", items, request_id, **{f"p_{_VALUE[action]}": value})


def undo(client: Client, batch_id: int, *, request_id: UUID) -> Done:
    """Take back one's own bulk action of the last ten minutes; leads changed since stay and are named.

    Raises `undo.none`, `undo.done`, `undo.too_late`.
    """
    answer = db.rpc(client, "undo_leads", p_request_id=str(request_id), p_batch_id=batch_id)
    return Done.model_validate(answer)


def follow_up(
    client: Client,
    ref: LeadRef,
    *,
    channel: str,
    step: str,
    outcome: str,
    next_step: str,
    next_at: datetime,
    request_id: UUID,
    note: str = "",
) -> Moved:
    """Record a contact with the customer and what comes next. Raises `lead.next_range`."""
    facts = {
        "channel": channel,
        "step": step,
        "outcome": outcome,
        "next_step": next_step,
        "next_at": next_at.isoformat(),
        "note": mask_free_text(note.strip()) or None,
    }
    return Moved.model_validate(_step(client, "follow_up_lead", ref, request_id, p_follow_up=facts))


def lose(client: Client, ref: LeadRef, reason: str, *, request_id: UUID, note: str = "") -> Moved:
    """No sale; `reason` is one of REASONS["lose"]."""
    text = mask_free_text(note.strip()) or None
    return Moved.model_validate(_step(client, "lose_lead", ref, request_id, p_reason=reason, p_note=text))


def convert(client: Client, ref: LeadRef, order_no: str, *, request_id: UUID) -> Moved:
    """The customer bought. Raises `lead.order_none`, `lead.order_unpaid`, `lead.order_taken`."""
    return Moved.model_validate(_step(client, "convert_lead", ref, request_id, p_order_no=order_no.strip()))


def transfer(
    client: Client,
    ref: LeadRef,
    *,
    ticket_type: str,
    summary: str,
    is_script_sent: bool,
    request_id: UUID,
    order_id: int | None = None,
    channel: str | None = None,
) -> Moved:
    """转接: the lead becomes an after-sales ticket, after the customer was told (`is_script_sent`)."""
    facts = {
        "type": ticket_type,
        "summary": mask_free_text(summary.strip()),
        "is_script_sent": is_script_sent,
        "order_id": order_id,
        "channel": channel,
    }
    given = {name: value for name, value in facts.items() if value is not None}
    return Moved.model_validate(_step(client, "transfer_lead", ref, request_id, p_ticket=given))


def reopen(client: Client, ref: LeadRef, reason: str, *, request_id: UUID) -> Moved:
    """Managers and duty leads: open again; `reason` is one of REASONS["reopen"]."""
    return Moved.model_validate(_step(client, "reopen_lead", ref, request_id, p_reason=reason))


def merge(
    client: Client,
    keyring: Keyring,
    merge_id: int,
    lead_ids: tuple[int, int],
    take: Sequence[str],
    *,
    request_id: UUID,
) -> Moved:
    """Merge the newer lead into the older one (`lead_ids`: newer, older) with the chosen fields of the newer.

    Contact fields are opened (recorded) and encrypted for the older one's contact.
    """
    contact: dict[str, Any] = {}
    wanted = [name for name in CONTACT_FIELDS if name in take]
    if wanted:
        newer = reads.reveal(client, keyring, lead_ids[0], reason="contact_customer")
        older = reads.reveal_row(client, lead_ids[1], reason="contact_customer")
        number = older["contact_id"] or db.rpc(client, "reserve_contact_ids", p_count=1)[0]
        contact = sealed(keyring, number, {name: getattr(newer, name) for name in wanted}) | {"id": number}
    return _decide_merge(client, merge_id, "merge", request_id, p_take=list(take), p_contact=contact)


def reject_merge(client: Client, merge_id: int, *, request_id: UUID) -> Moved:
    """Two customers: the proposal is not made again."""
    return _decide_merge(client, merge_id, "reject", request_id)


def promise(
    client: Client,
    entity: str,
    entity_id: int,
    *,
    kind: str,
    what: str,
    due_at: datetime,
    request_id: UUID,
    amount: Decimal | None = None,
    rule_id: int | None = None,
) -> PromiseRow:
    """Record what a customer was promised for a lead or ticket; beyond the limit it is `pending`.

    `rule_id`: a gift by this rule, which says goods and cost. Raises `gift.rule`, `gift.manager`.
    """
    facts = {
        "kind": kind,
        "what": mask_free_text(what.strip()),
        "due_at": due_at.isoformat(),
        "amount": None if amount is None else str(amount),
        "rule_id": None if rule_id is None else str(rule_id),
    }
    answer = db.command(
        client,
        "make_promise",
        request_id=request_id,
        p_entity=entity,
        p_entity_id=entity_id,
        p_promise=facts,
    )
    return PromiseRow.model_validate(answer)


def decide_promise(
    client: Client, promise_id: int, version: int, agree: bool, *, request_id: UUID
) -> PromiseRow:
    """A manager agrees to a pending promise, or refuses it. Raises `promise.self`, `promise.limit`."""
    ref = LeadRef(promise_id, version)
    return PromiseRow.model_validate(_step(client, "decide_promise", ref, request_id, p_agree=agree))


def end_promise(client: Client, promise_id: int, version: int, how: str, *, request_id: UUID) -> PromiseRow:
    """`how`: kept, or withdrawn (the customer was told)."""
    ref = LeadRef(promise_id, version)
    return PromiseRow.model_validate(_step(client, "end_promise", ref, request_id, p_as=how))


def save_rules(
    client: Client, shop_id: int | None, version: int, change: Mapping[str, Any], *, request_id: UUID
) -> dict[str, Any]:
    """Change the default rules (shop None) or a shop's own; version 0 makes the shop's own."""
    saved: dict[str, Any] = db.command(
        client,
        "save_lead_rules",
        request_id=request_id,
        p_shop_id=shop_id,
        p_version=version,
        p_rules=dict(change),
    )
    return saved


def reset_rules(client: Client, shop_id: int, version: int, *, request_id: UUID) -> None:
    """The shop follows the default rules again."""
    db.command(client, "reset_lead_rules", request_id=request_id, p_shop_id=shop_id, p_version=version)


def apply_rules(client: Client, shop_id: int, *, request_id: UUID) -> tuple[int, bool]:
    """Grade a shop's open leads by today's rules: how many changed (at most 500), and whether more wait."""
    answer = db.command(client, "apply_lead_rules", request_id=request_id, p_shop_id=shop_id)
    return int(answer["changed"]), bool(answer["more"])


def save_form(
    client: Client, form_id: int | None, version: int | None, facts: Mapping[str, Any], *, request_id: UUID
) -> dict[str, Any]:
    """Add a landing page's form (id None) or change it. A new token comes from `new_form_token`."""
    saved: dict[str, Any] = db.command(
        client,
        "save_lead_form",
        request_id=request_id,
        p_id=form_id,
        p_version=version,
        p_form=dict(facts),
    )
    return saved


def new_form_token() -> tuple[str, str]:
    """A fresh token of a form, shown once, and the digest that is stored."""
    token = secrets.token_urlsafe(32)
    return token, letters(hashlib.sha256(token.encode()).digest())


def _step(client: Client, name: str, ref: LeadRef, request_id: UUID, **params: Any) -> Any:
    return db.command(client, name, request_id=request_id, p_id=ref.id, p_version=ref.version, **params)


def _bulk(client: Client, name: str, items: Sequence[LeadRef], request_id: UUID, **params: Any) -> Done:
    refs = [asdict(item) for item in items]
    return Done.model_validate(db.command(client, name, request_id=request_id, p_items=refs, **params))


def _decide_merge(client: Client, merge_id: int, decision: str, request_id: UUID, **params: Any) -> Moved:
    answer = db.command(
        client, "decide_merge", request_id=request_id, p_id=merge_id, p_decision=decision, **params
    )
    return Moved.model_validate(answer)
