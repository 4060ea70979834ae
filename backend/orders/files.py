"""Files about orders: release, hold and pick lists for the ERP and the shelves, and the queue itself.

Clear contacts stand in the release list alone, for operations, managers and the warehouse; the database gives
them to nobody else, records the download, and from then on the release cannot be undone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final, Literal
from zoneinfo import ZoneInfo

from supabase import Client

from backend import db, exports
from backend.imports import encode
from backend.orders import reads, wording
from backend.orders.models import QueueFilter, QueueRow
from backend.pii import Keyring

Format = Literal["csv", "xlsx"]
MOST_ROWS: Final = 5000
SHANGHAI: Final = ZoneInfo("Asia/Shanghai")

_RELEASE: Final = (
    ("order_no", "订单号", "Order no."),
    ("receiver", "收件人", "Receiver"),
    ("phone", "电话", "Phone"),
    ("province", "省", "Province"),
    ("city", "市", "City"),
    ("district", "区", "District"),
    ("address", "详细地址", "Address"),
    ("goods", "商品", "Goods"),
    ("quantity", "数量", "Quantity"),
    ("buyer_account", "买家账号", "Buyer account"),
    ("note", "备注", "Remark"),
    ("ship_with", "合并发货", "Ship together"),
    ("promise_ship_at", "最晚发货", "Ship by"),
)
_HOLD: Final = (
    ("order_no", "订单号", "Order no."),
    ("reason", "拦截原因", "Why"),
    ("receiver", "收件人", "Receiver"),
    ("amount", "金额", "Amount"),
    ("status", "状态", "Status"),
)
_BY_SKU: Final = (
    ("sku", "商家编码", "SKU"),
    ("name", "商品", "Product"),
    ("spec", "规格", "Spec"),
    ("quantity", "数量", "Quantity"),
    ("orders", "订单数", "Orders"),
    ("available", "可用库存", "Available"),
)
_BY_ORDER: Final = (
    ("order_no", "订单号", "Order no."),
    ("receiver_masked", "收件人", "Receiver"),
    ("province", "省", "Province"),
    ("sku", "商家编码", "SKU"),
    ("name", "商品", "Product"),
    ("spec", "规格", "Spec"),
    ("quantity", "数量", "Quantity"),
)
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
class File:
    """A file to download."""

    name: str
    content: bytes
    mime: str


def release_file(
    client: Client, keyring: Keyring, release_id: int, *, fmt: Format = "xlsx", lang: str = "zh-CN"
) -> File:
    """The list of a release (放行单) or of a hold (拦截单), for the ERP; recorded as downloaded.

    Raises `release.none`, `release.undone`, and `member.role` for other roles.
    """
    answer = db.rpc(client, "release_list", p_release_id=release_id)
    if answer["release"]["kind"] == "hold":
        rows = [_hold_row(row, lang) for row in answer["rows"]]
        return _file(rows, _HOLD, f"拦截单-{release_id}", fmt, lang)
    rows = [_release_row(row, keyring) for row in answer["rows"]]
    return _file(rows, _RELEASE, f"放行单-{release_id}", fmt, lang)


def pick_file(
    client: Client, release_id: int, *, by: Literal["sku", "order"], fmt: Format = "xlsx", lang: str = "zh-CN"
) -> File:
    """The pick list of a release, by SKU (sums) or by order (lines); masked."""
    answer = db.rpc(client, "pick_list", p_release_id=release_id)
    if by == "sku":
        return _file(answer["by_sku"], _BY_SKU, f"拣货单-按商品-{release_id}", fmt, lang)
    lines = [order | line for order in answer["by_order"] for line in order["items"]]
    return _file(lines, _BY_ORDER, f"拣货单-按订单-{release_id}", fmt, lang)


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


def _release_row(row: Mapping[str, Any], keyring: Keyring) -> dict[str, Any]:
    contact = encode.opened(keyring, row) if row["contact_id"] else None
    items: Sequence[Mapping[str, Any]] = row["items"]
    clear = {
        "receiver": contact.receiver if contact else row["receiver_masked"],
        "phone": contact.phone if contact else row["phone_masked"],
        "address": contact.address if contact else None,
        "note": " / ".join(n for n in (contact.buyer_note, contact.seller_note) if n) if contact else None,
    }
    return {
        **row,
        **clear,
        "goods": "；".join(f"{i['sku'] or i['name']} {i['spec'] or ''}×{i['quantity']}" for i in items),
        "quantity": sum(i["quantity"] for i in items),
        "promise_ship_at": _time(row["promise_ship_at"]),
    }


def _hold_row(row: Mapping[str, Any], lang: str) -> dict[str, Any]:
    why = [wording.label(wording.KINDS, kind, lang) for kind in row["kinds"] or []]
    if row["held_reason"]:
        why.append(wording.label(wording.REASONS, row["held_reason"], lang))
    return {
        **row,
        "reason": ("、" if lang.startswith("zh") else ", ").join(why),
        "receiver": row["receiver_masked"],
        "status": wording.label(wording.STATUSES, row["status"], lang),
    }


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
    mime = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
    return File(f"{name}.xlsx", exports.write_xlsx(rows, heads, name), mime)
