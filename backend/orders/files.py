"""Lists that leave the desk: release, hold and pick lists for the ERP and the shelves, the queue as a file.

Clear contacts stand in the release list alone, for operations, managers and the warehouse; the database gives
them to nobody else, records the download, and from then on the release cannot be undone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, Literal
from zoneinfo import ZoneInfo

from supabase import Client

from backend import db, exports
from backend.imports import encode
from backend.orders import reads, wording
from backend.orders.models import QueueFilter, QueueRow
from backend.pii import Keyring, PiiError

Format = Literal["csv", "xlsx"]
MOST_ROWS: Final = 5000
GIFT_MARK: Final = "【赠品】"
"""Before the name of a promised gift, on lists for the ERP and the shelves."""
_REGION: Final = ("province", "city", "district")
SHANGHAI: Final = ZoneInfo("Asia/Shanghai")

_QUEUE: Final = (
    ("shop_name", "店铺", "Shop"),
    ("order_no", "订单号", "Order no."),
    ("exceptions", "异常", "Exceptions"),
    ("state", "状态", "State"),
    ("due_at", "到期", "Due"),
    ("amount", "金额", "Amount"),
    ("receiver_masked", "收件人", "Receiver"),
    ("phone_masked", "电话", "Phone"),
    ("province", "省", "Province"),
    ("city", "市", "City"),
    ("owner_name", "负责人", "Owner"),
    ("placed_at", "下单时间", "Placed"),
    ("paid_at", "付款时间", "Paid"),
    ("done_at", "处理时间", "Decided"),
)


@dataclass(frozen=True, slots=True)
class Listed:
    """A list for the ERP: one row per product of an order. `unreadable` counts contacts that no key opens."""

    release: Mapping[str, Any]
    rows: tuple[Mapping[str, Any], ...]
    orders: int
    unreadable: int


@dataclass(frozen=True, slots=True)
class File:
    """A file to download."""

    name: str
    content: bytes
    mime: str


def listed(client: Client, keyring: Keyring, release_id: int, *, zone: str) -> Listed:
    """The list of a release, contacts in clear, or of a hold, which names nobody; times in the shop's `zone`.

    Recorded as downloaded: from then on the release cannot be undone.
    Raises `release.none`, `release.undone`, and `member.role` for other roles.
    """
    answer = db.rpc(client, "release_list", p_release_id=release_id)
    rows = answer["rows"]
    if answer["release"]["kind"] == "release":
        rows = [_opened(row, keyring) for row in rows]
    return Listed(
        release=answer["release"],
        rows=tuple(line for row in rows for line in _lines(row, ZoneInfo(zone))),
        orders=len(rows),
        unreadable=sum(row.get("unreadable", False) for row in rows),
    )


def pick_list(client: Client, release_id: int) -> dict[str, Any]:
    """What to take from the shelves for a release: {by_sku, by_order}, masked."""
    found: dict[str, Any] = db.rpc(client, "pick_list", p_release_id=release_id)
    return found


def queue_file(client: Client, wanted: QueueFilter, *, fmt: Format = "xlsx", lang: str = "zh-CN") -> File:
    """The filtered rows of the queue (at most 5,000), masked; recorded."""
    rows: list[QueueRow] = []
    page = replace(wanted, limit=500, after=None, before=None)
    while len(rows) < MOST_ROWS:
        found = reads.queue(client, page)
        rows.extend(found.rows)
        if found.next is None:
            break
        page = replace(page, after=found.next)
    db.rpc(client, "note_export", p_area="orders", p_count=len(rows), p_filter=wanted.as_json())
    return _file([_queue_row(row, lang) for row in rows], _QUEUE, "订单异常", fmt, lang)


def _opened(row: Mapping[str, Any], keyring: Keyring) -> dict[str, Any]:
    """The row with its contact in clear; one that no key opens keeps its masked forms."""
    contact, unreadable = None, False
    if row["contact_id"]:
        try:
            contact = encode.opened(keyring, row)
        except PiiError:
            unreadable = True
    notes = (contact.buyer_note, contact.seller_note) if contact else ()
    return {
        **row,
        "unreadable": unreadable,
        "name": (contact and contact.receiver) or row["receiver_masked"] or "",
        "phone": (contact and contact.phone) or row["phone_masked"] or "",
        **{part: row[part] or (contact and getattr(contact, part)) for part in _REGION},
        "address": (contact and contact.address) or "",
        "note": " / ".join(note for note in notes if note),
    }


def _lines(row: Mapping[str, Any], zone: ZoneInfo) -> Iterator[dict[str, Any]]:
    """One line per product and gift, the order's facts on each and its amount once: what ERPs import."""
    facts = dict(row) | {name: _exact(row[name], zone) for name in ("paid_at", "promise_ship_at")}
    amount = None if row["amount"] is None else Decimal(str(row["amount"]))
    gifts = [gift | {"name": f"{GIFT_MARK}{gift['name']}"} for gift in row.get("gifts") or ()]
    for place, item in enumerate([*(row["items"] or [{}]), *gifts]):
        yield facts | {
            "sku": item.get("sku"),
            "goods": item.get("name"),
            "spec": item.get("spec"),
            "quantity": item.get("quantity"),
            "amount": amount if place == 0 else None,
        }


def _exact(at: str | None, zone: ZoneInfo) -> str:
    return f"{datetime.fromisoformat(at).astimezone(zone):%Y-%m-%d %H:%M:%S}" if at else ""


def _queue_row(row: QueueRow, lang: str) -> dict[str, Any]:
    said = [wording.evidence(e.kind, e.evidence, lang) for e in row.exceptions if e.kind in row.kinds]
    return row.model_dump(exclude={"exceptions"}) | {
        "exceptions": ("；" if lang.startswith("zh") else "; ").join(said),
        "state": wording.label(wording.STATES, row.state, lang),
        **{name: _time(getattr(row, name)) for name in ("due_at", "placed_at", "paid_at", "done_at")},
    }


def _time(value: datetime | str | None) -> datetime | None:
    moment = datetime.fromisoformat(value) if isinstance(value, str) else value
    return moment.astimezone(SHANGHAI) if moment else None


def _file(
    rows: Sequence[Mapping[str, Any]],
    columns: Sequence[tuple[str, str, str]],
    name: str,
    fmt: Format,
    lang: str,
) -> File:
    heads = [(key, chinese if lang.startswith("zh") else english) for key, chinese, english in columns]
    if fmt == "csv":
        return File(f"{name}.csv", exports.write_csv(rows, heads), "text/csv")
    return File(f"{name}.xlsx", exports.write_xlsx(rows, heads, name), exports.XLSX)
