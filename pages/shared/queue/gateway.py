"""The requests of the queue pages, in one place. Rows stay the mappings that the API answers with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from supabase import Client

from backend import db, jobs
from backend.imports import encode
from backend.pii import Keyring
from backend.service import Service

Row = dict[str, Any]
Filter = Mapping[str, Any]
PAGE = 25


def queue(
    client: Client, wanted: Filter, *, after: Mapping[str, Any] | None = None, limit: int = PAGE
) -> Row:
    """A page of the queue: {rows, count (to 1,001), next, tabs}."""
    filters = {**wanted, "limit": limit} | ({"after": after} if after else {})
    answer: Row = db.rpc(client, "order_queue", p=filters)
    return answer


def every_row(client: Client, wanted: Filter, *, most: int) -> Iterator[Row]:
    """All rows of the queue that match, page by page, at most `most`."""
    after: Mapping[str, Any] | None = None
    given = 0
    while given < most:
        answer = queue(client, wanted, after=after, limit=min(500, most - given))
        yield from answer["rows"]
        given += len(answer["rows"])
        after = answer["next"]
        if after is None or not answer["rows"]:
            return


def groups(client: Client) -> list[Row]:
    """What can be decided together: [{kind, same_key, count, evidence}]."""
    found: list[Row] = db.rpc(client, "queue_groups", p_state="open")
    return found


def detail(client: Client, order_id: int) -> Row | None:
    """One order with its exceptions, my rights, its group and its history; None when it is not visible."""
    found: Row | None = db.rpc(client, "order_detail", p_order_id=order_id)
    return found


def claim_next(client: Client, wanted: Filter, *, request_id: str) -> list[Row]:
    """The next free item (and its duplicate group), mine from now on; empty when nothing is free."""
    names = ("shop_id", "kind", "platform")
    answer = db.rpc(
        client,
        "claim_next",
        p_request_id=request_id,
        p_filter={name: wanted[name] for name in names if name in wanted},
    )
    items: list[Row] = answer["items"]
    return items


def claim(client: Client, order_id: int, *, request_id: str) -> None:
    """Makes this item mine."""
    db.rpc(client, "claim_order", p_request_id=request_id, p_order_id=order_id)


def take_over(client: Client, order_id: int, version: int, *, request_id: str) -> None:
    """Takes an item over from a colleague; `version` is that of the work row as shown."""
    db.rpc(client, "take_over", p_request_id=request_id, p_order_id=order_id, p_version=version)


def give_back(client: Client, order_ids: Sequence[int], *, request_id: str) -> int:
    """Puts my items back into the pool; answers how many."""
    answer = db.rpc(client, "give_back", p_request_id=request_id, p_order_ids=list(order_ids))
    return int(answer["done"])


def keep(client: Client, order_ids: Sequence[int]) -> None:
    """Renews my claims while I work on them."""
    db.rpc(client, "keep_claims", p_order_ids=list(order_ids))


def decide(
    client: Client, items: Sequence[Row], decision: str, reason: str | None, *, request_id: str
) -> Row:
    """Decides exceptions [{id, version, note?}]: {batch_id, done, items}."""
    answer: Row = db.rpc(
        client,
        "decide_exceptions",
        p_request_id=request_id,
        p_items=list(items),
        p_decision=decision,
        p_reason=reason,
    )
    return answer


def decide_matching(
    client: Client, wanted: Filter, count: int, decision: str, reason: str | None, *, request_id: str
) -> Row:
    """Decides all exceptions of a kind under a filter, if they are still `count`."""
    answer: Row = db.rpc(
        client,
        "decide_matching",
        p_request_id=request_id,
        p_filter=dict(wanted),
        p_count=count,
        p_decision=decision,
        p_reason=reason,
    )
    return answer


def preview(client: Client, items: Sequence[Row] | None, wanted: Filter | None, decision: str) -> Row:
    """What a decision would do: {count, ok, orders, amount, refused: [{key, count, params}]}."""
    answer: Row = db.rpc(
        client,
        "preview_decision",
        p_items=None if items is None else list(items),
        p_filter=None if wanted is None else dict(wanted),
        p_decision=decision,
    )
    return answer


def decide_group(
    client: Client,
    shop_id: int,
    group_key: str,
    items: Sequence[Row],
    decision: str,
    *,
    keep_order_id: int | None,
    request_id: str,
) -> Row:
    """Decides a duplicate group as a whole: {batch_id, done, kept, cancelled}."""
    answer: Row = db.rpc(
        client,
        "decide_group",
        p_request_id=request_id,
        p_shop_id=shop_id,
        p_group_key=group_key,
        p_items=list(items),
        p_decision=decision,
        p_keep_order_id=keep_order_id,
    )
    return answer


def undo(client: Client, batch_id: int, *, request_id: str) -> int:
    """Takes back my own decision of the last ten minutes; answers how many items."""
    answer = db.rpc(client, "undo_batch", p_request_id=request_id, p_batch_id=batch_id)
    return int(answer["done"])


def reveal(client: Client, order_id: int, reason: str | None) -> Row:
    """The ciphertexts of an order's contact; recorded."""
    answer: Row = db.rpc(client, "reveal_contact", p_entity="order", p_id=order_id, p_reason=reason)
    return answer


def nudge(client: Client, wanted: Filter, *, after: Mapping[str, Any] | None = None) -> Row:
    """Orders that wait for payment: {count, amount, rows}, 50 a page."""
    answer: Row = db.rpc(client, "payment_nudge", p={**wanted} | ({"after": after} if after else {}))
    return answer


def correct(
    client: Client,
    service: Service,
    keyring: Keyring,
    order: Row,
    change: Mapping[str, str],
    *,
    request_id: str,
) -> None:
    """Writes what the customer said is right ({receiver, phone, address}: what is not in it stays) and judges
    the order anew.

    Opens the contact first, which is recorded: the verdict needs what is not changed as well.
    """
    kept = reveal(client, order["id"], "address_check")
    old = encode.opened(keyring, {**kept, "contact_state": "ok"})
    fresh = dict(change) | ({"province": None, "city": None, "district": None} if "address" in change else {})
    new = replace(old, **fresh)
    contact_id = kept["contact_id"] or db.rpc(client, "reserve_contact_ids", p_count=1)[0]
    sealed = encode.seal(keyring, new, contact_id)
    cells = {"receiver": "name"}
    untouched = {cells.get(name, name) for name in ("receiver", "phone", "address") if name not in change}
    untouched |= {"note"} | (set() if kept["contact_id"] is None else {"id"})
    db.rpc(
        client,
        "correct_order",
        p_request_id=request_id,
        p_order_id=order["id"],
        p_version=order["version"],
        p_contact={name: value for name, value in sealed.cells.items() if name not in untouched},
        p_province=sealed.province,
        p_city=sealed.city,
        p_district=sealed.district,
        p_facts_hash=sealed.facts_hash,
    )
    jobs.recheck_order(service.rpc, keyring, order["shop_id"], order["id"])
