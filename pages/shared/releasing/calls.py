"""What the release page asks of the backend beyond `backend.orders`: the lists themselves, in clear text for
the people who ship.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from backend import db
from backend.pii import Keyring, PiiError
from pages.shared import format as fmt
from pages.shared import frame

RELEASERS = ("operations", "manager", "warehouse")
HOLDERS = ("operations", "manager", "warehouse")
LIFTERS = ("operations", "manager")
READY_SHOWN = 500
_CLEAR = ("name", "phone", "address", "note")
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Download:
    """A list for the ERP: one row per product of an order. `unreadable` counts contacts that no key opens."""

    release: Row
    rows: tuple[Row, ...]
    orders: int
    unreadable: int


def download(release_id: int, zone: str) -> Download:
    """Fetches a release or hold list with its contacts; recorded, and from now on it cannot be undone."""
    answer = db.rpc(frame.client(), "release_list", p_release_id=release_id)
    keys = frame.keyring()
    opened = [_opened(row, keys) for row in answer["rows"]]
    return Download(
        release=answer["release"],
        rows=tuple(line for row in opened for line in _lines(row, zone)),
        orders=len(opened),
        unreadable=sum(row["unreadable"] for row in opened),
    )


def pick_list(release_id: int) -> Row:
    """What to take from the shelves for a release: {by_sku, by_order}, masked."""
    found: Row = db.rpc(frame.client(), "pick_list", p_release_id=release_id)
    return found


def _opened(row: Mapping[str, Any], keys: Keyring) -> Row:
    """The row with its contact in clear; a value that no key opens falls back to its masked form."""
    clear: Row = {"unreadable": False}
    for cell in _CLEAR:
        try:
            token = row[cell]
            clear[cell] = keys.decrypt("contacts", cell, row["contact_id"], token) if token else ""
        except PiiError:
            clear |= {cell: "", "unreadable": True}
    clear["name"] = clear["name"] or row["receiver_masked"] or ""
    clear["phone"] = clear["phone"] or row["phone_masked"] or ""
    return {**row, **clear}


def _lines(row: Row, zone: str) -> Iterator[Row]:
    """One line per product, the order's facts on each: what ERPs import."""
    amount = None if row["amount"] is None else Decimal(str(row["amount"]))
    facts = row | {
        "amount": amount,
        "paid_at": fmt.exact_time(row["paid_at"], zone=zone),
        "promise_ship_at": fmt.exact_time(row["promise_ship_at"], zone=zone),
    }
    for place, item in enumerate(row["items"] or [{}]):
        yield facts | {
            "sku": item.get("sku"),
            "goods": item.get("name"),
            "spec": item.get("spec"),
            "quantity": item.get("quantity"),
            "amount": amount if place == 0 else None,
        }
