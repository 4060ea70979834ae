"""Leads as a file: what the filters leave, masked; the database records that it left."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, Literal
from zoneinfo import ZoneInfo

from supabase import Client

from backend import exports
from backend.leads import reads, wording
from backend.leads.choices import LeadFilter
from backend.leads.models import PromiseRow

MOST_ROWS: Final = 10_000
_CHUNK: Final = 1_000
_COLUMNS: Final = (
    ("number", "线索", "Lead"),
    ("shop_name", "店铺", "Shop"),
    ("grade", "分级", "Grade"),
    ("state", "状态", "State"),
    ("stage", "阶段", "Stage"),
    ("source", "来源", "Source"),
    ("needs", "需求标签", "Needs"),
    ("name_masked", "姓名", "Name"),
    ("phone_masked", "手机", "Phone"),
    ("owner_name", "跟进人", "Owner"),
    ("follow_up_count", "跟进次数", "Follow-ups"),
    ("next_step", "下一步", "Next step"),
    ("next_at", "下次联系", "Next contact"),
    ("due_at", "到期", "Due"),
    ("captured_at", "登记时间", "Captured"),
    ("closed_at", "结束时间", "Closed"),
    ("lost_reason", "流失原因", "Why lost"),
)
_CODED: Final = {
    "state": "states",
    "stage": "stages",
    "source": "sources",
    "next_step": "next_steps",
    "lost_reason": "lost_reasons",
}
_TIMES: Final = ("next_at", "due_at", "captured_at", "closed_at")


def lead_file(
    client: Client, wanted: LeadFilter, *, fmt: Literal["csv", "xlsx"] = "xlsx", lang: str = "zh-CN"
) -> bytes:
    """The filtered leads (at most 10,000), masked, in the shop's time; recorded. Raises `member.role`."""
    rows: list[dict[str, Any]] = []
    after = 0
    while len(rows) < MOST_ROWS:
        part = reads.exported(client, wanted, after)
        rows.extend(_line(row.model_dump(), lang) for row in part)
        if len(part) < _CHUNK:
            break
        after = part[-1].id
    chinese = lang.startswith("zh")
    heads = [(key, zh if chinese else en) for key, zh, en in _COLUMNS]
    if fmt == "csv":
        return exports.write_csv(rows, heads)
    return exports.write_xlsx(rows, heads, "线索" if chinese else "Leads")


_PROMISE_COLUMNS: Final = (
    ("label", "线索或工单", "Case"),
    ("shop_name", "店铺", "Shop"),
    ("kind", "类型", "Kind"),
    ("what", "承诺内容", "What"),
    ("amount", "金额（元）", "Amount (CNY)"),
    ("made_by_name", "承诺人", "Promised by"),
    ("made_at", "承诺时间", "Promised at"),
    ("due_at", "兑现期限", "Until"),
    ("state", "状态", "State"),
    ("ended_at", "结束时间", "Ended"),
    ("owner_name", "跟进人", "Owner"),
    ("decided_by_name", "同意人", "Agreed by"),
)


def promise_file(
    client: Client,
    wanted: Mapping[str, Any],
    *,
    fmt: Literal["csv", "xlsx"] = "xlsx",
    lang: str = "zh-CN",
    zone: str = "Asia/Shanghai",
) -> bytes:
    """The filtered promises (at most 10,000) in the time of `zone`; recorded. Raises `member.role`."""
    rows: list[dict[str, Any]] = []
    page = reads.exported_promises(client, wanted)
    rows.extend(_promise(row, ZoneInfo(zone), lang) for row in page.rows)
    while page.next is not None and len(rows) < MOST_ROWS:
        page = reads.exported_promises(client, wanted, page.next)
        rows.extend(_promise(row, ZoneInfo(zone), lang) for row in page.rows)
    chinese = lang.startswith("zh")
    heads = [(key, zh if chinese else en) for key, zh, en in _PROMISE_COLUMNS]
    if fmt == "csv":
        return exports.write_csv(rows, heads)
    return exports.write_xlsx(rows, heads, "承诺" if chinese else "Promises")


def _promise(row: PromiseRow, zone: ZoneInfo, lang: str) -> dict[str, Any]:
    words = {
        "kind": wording.label("promise_kinds", row.kind, lang),
        "state": wording.label("promise_states", wording.promise_standing(row), lang),
    }
    times = {name: _local(getattr(row, name), zone) for name in ("made_at", "due_at", "ended_at")}
    return row.model_dump() | words | times


def _line(row: Mapping[str, Any], lang: str) -> dict[str, Any]:
    zone = ZoneInfo(row["timezone"])
    words = {name: wording.label(table, row[name], lang) for name, table in _CODED.items()}
    times = {name: _local(row[name], zone) for name in _TIMES}
    joined = {"needs": "、".join(row["needs"]), "number": wording.number(row["id"])}
    return dict(row) | words | times | joined


def _local(at: datetime | None, zone: ZoneInfo) -> datetime | None:
    return at.astimezone(zone) if at else None
