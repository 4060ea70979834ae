"""The list of tickets as a file: what the filters leave, masked; the database records that it left."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, Final, Literal
from zoneinfo import ZoneInfo

from supabase import Client

from backend import exports
from backend.filters import Place
from backend.tickets import reads, wording
from backend.tickets.choices import TicketFilter

MOST_ROWS: Final = 5000
_CHUNK: Final = 500
_SHANGHAI: Final = ZoneInfo("Asia/Shanghai")
_COLUMNS: Final = (
    ("number", "工单", "Ticket"),
    ("shop_name", "店铺", "Shop"),
    ("type", "类型", "Type"),
    ("state", "状态", "State"),
    ("severity", "严重程度", "Severity"),
    ("order_no", "订单号", "Order no."),
    ("buyer_account", "买家账号", "Buyer"),
    ("receiver_masked", "收件人", "Receiver"),
    ("summary", "说明", "What happened"),
    ("root_cause", "问题原因", "Root cause"),
    ("owner_name", "负责人", "Owner"),
    ("claimed_amount", "客户要求金额", "Claimed"),
    ("due_at", "到期", "Due"),
    ("registered_at", "登记时间", "Registered"),
    ("resolved_at", "解决时间", "Resolved"),
    ("closed_at", "关闭时间", "Closed"),
    ("score", "满意度评分", "Score"),
)
_CODED: Final = {"type": "types", "state": "states", "severity": "severities"}


def ticket_file(
    client: Client, wanted: TicketFilter, *, fmt: Literal["csv", "xlsx"] = "xlsx", lang: str = "zh-CN"
) -> bytes:
    """The filtered tickets (at most 5,000), masked; recorded. Raises `member.role`."""
    rows: list[dict[str, Any]] = []
    after: Place | None = None
    while len(rows) < MOST_ROWS:
        page = reads.exported(client, replace(wanted, after=after), limit=_CHUNK)
        rows.extend(_line(row.model_dump(), lang) for row in page.rows)
        after = page.next
        if after is None:
            break
    chinese = lang.startswith("zh")
    heads = [(key, zh if chinese else en) for key, zh, en in _COLUMNS]
    if fmt == "csv":
        return exports.write_csv(rows, heads)
    return exports.write_xlsx(rows, heads, "工单" if chinese else "Tickets")


def _line(row: Mapping[str, Any], lang: str) -> dict[str, Any]:
    words = {name: wording.label(table, row[name], lang) for name, table in _CODED.items()}
    times = {name: _local(row[name]) for name in ("due_at", "registered_at", "resolved_at", "closed_at")}
    return dict(row) | words | times | {"number": wording.number(row["id"])}


def _local(at: datetime | None) -> datetime | None:
    return at.astimezone(_SHANGHAI) if at else None
