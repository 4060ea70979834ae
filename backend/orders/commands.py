"""What a person does with orders. One request each; the database checks the right, the version and the state.

`request_id` makes a repeated click one action: the same id with the same arguments answers the same. Refusals
of single items come back as values (`Decided.refused`, `Released.refused`); refusals of the whole request are
:class:`backend.errors.AppError`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from supabase import Client

from backend import db
from backend.checks import address as addresses
from backend.imports import encode
from backend.orders import reads, rechecks
from backend.orders.models import (
    Claimed,
    Decided,
    Decision,
    GroupDecision,
    ItemRef,
    OrderRef,
    Preview,
    QueueFilter,
    Released,
)
from backend.pii import Keyring
from backend.service import Service


def claim_next(
    client: Client, *, request_id: UUID, wanted: QueueFilter | None = None, count: int = 1
) -> tuple[Claimed, ...]:
    """Take the next free items (1 to 20, and the rest of their groups) for 20 minutes; () when none is."""
    narrow = {} if wanted is None else wanted.as_json()
    narrow = {name: narrow[name] for name in ("shop_id", "kind", "platform") if name in narrow}
    answer = db.command(client, "claim_next", request_id=request_id, p_filter=narrow, p_count=count)
    return _claimed(answer)


def claim(client: Client, order_id: int, *, request_id: UUID) -> tuple[Claimed, ...]:
    """Take this item. Raises `review.claimed` (who, until), `review.done`, `review.none`."""
    return _claimed(db.command(client, "claim_order", request_id=request_id, p_order_id=order_id))


def take_over(client: Client, order_id: int, version: int, *, request_id: UUID) -> tuple[Claimed, ...]:
    """Take a colleague's item; `version` is that of the queue row. Raises `order.stale`."""
    answer = db.command(client, "take_over", request_id=request_id, p_order_id=order_id, p_version=version)
    return _claimed(answer)


def give_back(client: Client, order_ids: Sequence[int], *, request_id: UUID) -> int:
    """Put my items back into the pool; answers how many were mine."""
    return int(db.command(client, "give_back", request_id=request_id, p_order_ids=list(order_ids))["done"])


def keep_claims(client: Client, order_ids: Sequence[int]) -> int:
    """Renew the lease of items I am working on; call it at most every few minutes."""
    return int(db.rpc(client, "keep_claims", p_order_ids=list(order_ids)))


def decide(
    client: Client,
    items: Sequence[ItemRef],
    decision: Decision,
    *,
    request_id: UUID,
    reason: str | None = None,
    note: str = "",
    keyring: Keyring | None = None,
    until: datetime | None = None,
) -> Decided:
    """Decide exceptions (at most 500). `reason` is one of REASONS[decision]; `other` needs a note.

    A note is encrypted per order, so it needs the keyring. `until` ends a waiver (at most a year ahead).
    Raises `decision.reason`, `decision.note_missing`, `decision.until`, `bulk.too_many`,
    `review.not_reviewer`.
    """
    rows = [_item(item, note.strip(), keyring) for item in items]
    answer = db.command(
        client,
        "decide_exceptions",
        request_id=request_id,
        p_items=rows,
        p_decision=decision,
        p_reason=reason,
        p_until=until and until.isoformat(),
    )
    return Decided.model_validate(answer)


def decide_matching(
    client: Client,
    wanted: QueueFilter,
    count: int,
    decision: Decision,
    *,
    request_id: UUID,
    reason: str | None = None,
    until: datetime | None = None,
) -> Decided:
    """Decide all exceptions of `wanted.kind` (and `same_key`) if they are still `count` (at most 2,000).

    Raises `bulk.count_changed` (shown, found), `filter.kind_missing`, and what `decide` raises.
    """
    answer = db.command(
        client,
        "decide_matching",
        request_id=request_id,
        p_filter=_matching(wanted),
        p_count=count,
        p_decision=decision,
        p_reason=reason,
        p_until=until and until.isoformat(),
    )
    return Decided.model_validate(answer)


def preview(client: Client, decision: Decision, *, items: Sequence[ItemRef]) -> Preview:
    """What `decide` would do, counted; changes nothing. Whether a rule still holds only doing it tells."""
    rows = [_item(item, "", None) for item in items]
    return Preview.model_validate(
        db.rpc(client, "preview_decision", p_items=rows, p_filter=None, p_decision=decision)
    )


def preview_matching(client: Client, decision: Decision, wanted: QueueFilter) -> Preview:
    """What `decide_matching` would do; its `count` is the one to pass there."""
    return Preview.model_validate(
        db.rpc(client, "preview_decision", p_items=None, p_filter=_matching(wanted), p_decision=decision)
    )


def decide_group(
    client: Client,
    shop_id: int,
    group_key: str,
    items: Sequence[ItemRef],
    decision: GroupDecision,
    *,
    request_id: UUID,
    keep_order_id: int | None = None,
) -> Decided:
    """Decide a duplicate group as a whole. `items`: the open duplicate exception of every order of it.

    Raises `group.changed`, `group.none`, `group.keep_missing`, or the refusal of one of its orders.
    """
    answer = db.command(
        client,
        "decide_group",
        request_id=request_id,
        p_shop_id=shop_id,
        p_group_key=group_key,
        p_items=[{"id": item.id, "version": item.version} for item in items],
        p_decision=decision,
        p_keep_order_id=keep_order_id,
    )
    return Decided.model_validate(answer)


def undo(client: Client, batch_id: int, *, request_id: UUID) -> int:
    """Take back my own decision of the last ten minutes; answers how many exceptions are as before.

    Raises `undo.too_late`, `undo.changed`, `undo.released`, `undo.done`, `undo.none`.
    """
    return int(db.command(client, "undo_batch", request_id=request_id, p_batch_id=batch_id)["done"])


def correct(
    client: Client,
    service: Service,
    keyring: Keyring,
    *,
    order_id: int,
    version: int,
    shop_id: int,
    request_id: UUID,
    changes: Mapping[str, str],
    reason: str | None = "contact_customer",
) -> bool:
    """Write what the customer said is right, and judge it at once; True when no check objects any more.

    `changes` has any of receiver, phone, province, city, district, address. The contact is opened for it
    (recorded). Raises `order.stale`, `order.released`, `order.not_waiting`, `review.claimed`, `order.none`.
    """
    row = reads.reveal_row(client, order_id, reason=reason)
    contact_id = row["contact_id"] or db.rpc(client, "reserve_contact_ids", p_count=1)[0]
    before = encode.opened(keyring, row | {"contact_id": contact_id})
    sealed = encode.seal(keyring, _corrected(before, changes), contact_id)
    db.command(
        client,
        "correct_order",
        request_id=request_id,
        p_order_id=order_id,
        p_version=version,
        p_contact=sealed.cells,
        p_province=sealed.province,
        p_city=sealed.city,
        p_district=sealed.district,
        p_facts_hash=sealed.facts_hash,
    )
    rechecks.recheck_order(service.rpc, keyring, shop_id, order_id)
    return not sealed.checked.findings


def release(client: Client, orders: Sequence[OrderRef], *, request_id: UUID) -> Released:
    """Release orders (at most 500): one list per shop; what must not ship comes back in `refused`."""
    answer = db.command(
        client,
        "release_orders",
        request_id=request_id,
        p_items=_orders(orders),
        p_filter=None,
        p_count=None,
    )
    return Released.model_validate(answer)


def release_ready(
    client: Client,
    count: int,
    *,
    request_id: UUID,
    shop_id: int | None = None,
    platform: str | None = None,
) -> Released:
    """Release all that is ready (at most 5,000) if it is still `count`. Raises `bulk.count_changed`."""
    wanted = {
        name: value for name, value in (("shop_id", shop_id), ("platform", platform)) if value is not None
    }
    answer = db.command(
        client,
        "release_orders",
        request_id=request_id,
        p_items=None,
        p_filter=wanted,
        p_count=count,
    )
    return Released.model_validate(answer)


def preview_release(client: Client, orders: Sequence[OrderRef]) -> Preview:
    """What `release` would do: {count, ok, refused: [{id, key, params}]}."""
    return Preview.model_validate(db.rpc(client, "preview_release", p_items=_orders(orders)))


def note_export(client: Client, area: str, count: int, *, shop_id: int | None = None) -> None:
    """Record that a masked file of so many rows was made, for managers. Raises `view.form`."""
    wanted = {} if shop_id is None else {"shop_id": shop_id}
    db.rpc(client, "note_export", p_area=area, p_count=count, p_filter=wanted)


def undo_release(client: Client, release_id: int, *, request_id: UUID) -> int:
    """Take a release back before its download. Raises `release.downloaded`, `release.undo_right`."""
    return int(db.command(client, "undo_release", request_id=request_id, p_release_id=release_id)["done"])


def add_hold(client: Client, orders: Sequence[OrderRef], reason: str, *, request_id: UUID) -> Released:
    """追加拦截: stop orders, released or not; makes a hold list per shop. `reason` is one of HOLD_REASONS."""
    answer = db.command(client, "add_hold", request_id=request_id, p_items=_orders(orders), p_reason=reason)
    return Released.model_validate(answer)


def lift_hold(client: Client, orders: Sequence[OrderRef], *, request_id: UUID) -> Released:
    """The orders may be released again (not those cancelled in review: reopen their decision)."""
    return Released.model_validate(
        db.command(client, "lift_hold", request_id=request_id, p_items=_orders(orders))
    )


def make_hold_list(client: Client, *, request_id: UUID, shop_id: int | None = None) -> Released:
    """拦截单号: a list per shop of everything that waits to ship and must not. Raises `hold.none`."""
    return Released.model_validate(
        db.command(client, "make_hold_list", request_id=request_id, p_shop_id=shop_id)
    )


def _corrected(before: encode.Contact, changes: Mapping[str, str]) -> encode.Contact:
    """The contact with its changes. A new address that names its own region replaces the old region too."""
    allowed = ("receiver", "phone", "province", "city", "district", "address")
    given: dict[str, Any] = {name: changes[name].strip() or None for name in allowed if name in changes}
    regions = ("province", "city", "district")
    if given.get("address") and not any(name in given for name in regions):
        named = addresses.parse(province=None, city=None, district=None, address=given["address"]).parts
        if named.province or named.city:
            given |= dict.fromkeys(regions)
    return replace(before, receiver_known=True, **given)


def _claimed(answer: dict[str, Any]) -> tuple[Claimed, ...]:
    return tuple(Claimed.model_validate(item) for item in answer["items"])


def _item(item: ItemRef, note: str, keyring: Keyring | None) -> dict[str, Any]:
    row: dict[str, Any] = {"id": item.id, "version": item.version}
    if note:
        if keyring is None:
            raise ValueError("a note needs the keyring: it is stored encrypted")
        row["note"] = keyring.encrypt("order_exceptions", "note", item.order_id, note)
    return row


def _orders(orders: Sequence[OrderRef]) -> list[dict[str, int]]:
    return [{"id": order.id, "version": order.version} for order in orders]


def _matching(wanted: QueueFilter) -> dict[str, Any]:
    names = ("kind", "same_key", "state", "shop_id", "platform", "amount_min", "amount_max", "owner", "due")
    given = wanted.as_json()
    return {name: given[name] for name in names if name in given and given[name] != "done"}
