"""What the pages about orders read. One request each; the database shows a person the shops he works for."""

from __future__ import annotations

from typing import Any

from supabase import Client

from backend import db
from backend.history import Event
from backend.imports import encode
from backend.orders.models import (
    ClearContact,
    LastDecision,
    OrderDetail,
    QueueFilter,
    QueuePage,
    Release,
    SameGroup,
)
from backend.pii import Keyring


def queue(client: Client, wanted: QueueFilter) -> QueuePage:
    """A page of the queue with counts beside the tabs, soonest deadline first (done: latest first)."""
    return QueuePage.model_validate(db.rpc(client, "order_queue", p=wanted.as_json()))


def same_groups(client: Client, state: str = "open") -> tuple[SameGroup, ...]:
    """What can be decided together, the biggest groups first (at most 20)."""
    found = db.rpc(client, "queue_groups", p_state=state)
    return tuple(SameGroup.model_validate(group) for group in found)


def detail(client: Client, order_id: int) -> OrderDetail | None:
    """Everything about one order; None when it does not exist for this person."""
    found = db.rpc(client, "order_detail", p_order_id=order_id)
    return OrderDetail.model_validate(found) if found else None


def timeline(client: Client, order_id: int) -> tuple[Event, ...]:
    """What happened to an order, newest first. Raises `order.none`."""
    return tuple(
        Event.model_validate(event) for event in db.rpc(client, "order_timeline", p_order_id=order_id)
    )


def reveal(client: Client, keyring: Keyring, order_id: int, *, reason: str | None = None) -> ClearContact:
    """Open the contact of an order; recorded. A claimed item needs no reason, others one of REVEAL_REASONS.

    Raises `reveal.reason`, `order.none`, and `member.role` for analysts.
    """
    return clear(keyring, reveal_row(client, order_id, reason=reason))


def clear(keyring: Keyring, row: dict[str, Any]) -> ClearContact:
    """The contact behind the ciphertexts that `reveal_contact` answers."""
    contact = encode.opened(keyring, row)
    return ClearContact(
        receiver=contact.receiver or "",
        phone=contact.phone or "",
        address=encode.shown_address(
            "\t".join(
                part or ""
                for part in (
                    contact.province,
                    contact.city,
                    contact.district,
                    contact.address,
                    contact.postcode,
                )
            )
        ),
        note="\n".join(note for note in (contact.buyer_note, contact.seller_note) if note),
    )


def reveal_row(client: Client, order_id: int, *, reason: str | None = None) -> dict[str, Any]:
    """The ciphertexts behind `reveal`: contact_id, contact_state, name, phone, address, note; recorded."""
    row: dict[str, Any] = db.rpc(client, "reveal_contact", p_entity="order", p_id=order_id, p_reason=reason)
    return row


def last_decision(client: Client) -> LastDecision | None:
    """What I can still undo (ten minutes, nothing changed since); None when there is nothing."""
    found = db.rpc(client, "my_undo")
    return LastDecision.model_validate(found) if found else None


def note_text(keyring: Keyring, order_id: int, note_cipher: str) -> str:
    """The clear text of a note on a decision (not for analysts: it may name a customer)."""
    return keyring.decrypt("order_exceptions", "note", order_id, note_cipher)


def ready(
    client: Client,
    *,
    shop_id: int | None = None,
    platform: str | None = None,
    after: int | None = None,
    limit: int = 50,
) -> dict[str, Any]:
    """What may be released now: {count (at most 5,001), rows}; `after` is the last id shown."""
    wanted = {"shop_id": shop_id, "platform": platform, "after": after}
    answer: dict[str, Any] = db.rpc(client, "ready_list", p_filter=_given(wanted), p_limit=limit)
    return answer


def payment_nudge(
    client: Client, *, shop_id: int | None = None, after: dict[str, Any] | None = None
) -> dict[str, Any]:
    """Unpaid orders (催付), newest first: {count, amount, rows}; `after`: {placed_at, id} of the last row."""
    answer: dict[str, Any] = db.rpc(
        client, "payment_nudge", p=_given({"shop_id": shop_id, "after": after and _given(after)})
    )
    return answer


def holds(client: Client, *, shop_id: int | None = None) -> dict[str, Any]:
    """拦截未发: {count, rows}; rows with `is_in_erp` are on a downloaded list and come first."""
    answer: dict[str, Any] = db.rpc(client, "hold_screen", p=_given({"shop_id": shop_id}))
    return answer


def releases(client: Client, *, before: int | None = None, limit: int = 50) -> tuple[Release, ...]:
    """Release and hold lists, newest first; `before` is the last id shown."""
    query = client.table("release_log").select("*").order("id", desc=True).limit(limit)
    rows = db.rows(query if before is None else query.lt("id", before))
    return tuple(Release.model_validate(row) for row in rows)


def products(
    client: Client, *, text: str = "", low_only: bool = False, after: dict[str, Any] | None = None
) -> dict[str, Any]:
    """Products by SKU: {count, low (refill alerts), rows}; `after` = {sku, id} of the last row."""
    wanted = {"text": text or None, "low": low_only or None, "after": after}
    answer: dict[str, Any] = db.rpc(client, "product_list", p=_given(wanted))
    return answer


def import_log(client: Client, *, before: int | None = None, limit: int = 50) -> list[dict[str, Any]]:
    """Imports I may see, newest first; `before` is the last id shown."""
    query = client.table("import_log").select("*").order("id", desc=True).limit(limit)
    return db.rows(query if before is None else query.lt("id", before))


def data_ages(client: Client) -> list[dict[str, Any]]:
    """Age of every data set of my shops: {kind, shop_id, shop_name, at, file_name, hours, is_late}"""
    ages: list[dict[str, Any]] = db.rpc(client, "data_ages")
    return ages


def _given(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}
