"""Figures, times and texts as people read them. Pure functions; nothing here touches Streamlit."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Literal
from zoneinfo import ZoneInfo

DEFAULT_ZONE = "Asia/Shanghai"
DueState = Literal["none", "on_time", "due_soon", "overdue", "paused", "uncovered"]
_SIGNS = {"CNY": "¥", "USD": "$", "EUR": "€", "GBP": "£", "HKD": "HK$", "JPY": "JP¥"}
_MARKUP = re.compile(r"([\\`*_\[\]<>#|~$!{}&])")
_DIRECTIVE = re.compile(r":(?=[a-zA-Z_+-])")
_LINK = re.compile(r"(?i)(https?)(?=://)|(www)(?=\.)")
_LIST_MARK = re.compile(r"(?m)^(\s*)(\d+)([.)])(?=\s)|^(\s*)([-+])(?=\s)")
_JOINER = "\u2060"  # word joiner: invisible, keeps a pattern from being read as an icon or a link


def md(text: object) -> str:
    """Text that Streamlit's Markdown shows letter by letter: no link, image, icon, colour, formula or
    HTML.
    """
    value = str(text).replace("\r\n", " ").replace("\n", " ").replace("\r", " ")
    value = _MARKUP.sub(r"\\\1", value)
    value = _DIRECTIVE.sub(f":{_JOINER}", value)
    value = _LINK.sub(lambda found: found.group(0) + _JOINER, value)
    return _LIST_MARK.sub(_escape_mark, value)


def _escape_mark(found: re.Match[str]) -> str:
    if found.group(2):
        return f"{found.group(1)}{found.group(2)}\\{found.group(3)}"
    return f"{found.group(4)}\\{found.group(5)}"


def sentence(text: str) -> str:
    """`out of stock` at the start of a line: `Out of stock`; Chinese stays as it is."""
    return text[:1].upper() + text[1:]


def money(amount: Decimal | float | str | None, currency: str = "CNY") -> str:
    """`¥1,234.00`, two decimals, half up; `—` for nothing."""
    if amount is None:
        return "—"
    value = Decimal(str(amount)).quantize(Decimal("0.01"), ROUND_HALF_UP)
    sign = _SIGNS.get(currency, f"{currency} ")
    return f"-{sign}{-value:,.2f}" if value < 0 else f"{sign}{value:,.2f}"


def when(text: str | datetime | None) -> datetime | None:
    """An instant from the API (ISO 8601 with offset), in UTC; None stays None."""
    if text is None or text == "":
        return None
    found = text if isinstance(text, datetime) else datetime.fromisoformat(text)
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)


def clock_time(
    at: str | datetime | None, *, zone: str = DEFAULT_ZONE, lang: str = "zh-CN", now: datetime | None = None
) -> str:
    """`今天 14:30`, `昨天 09:05`, `明天 08:00`, `11-22 14:30`, with the year when it is another one; `—` for
    nothing.
    """
    instant = when(at)
    if instant is None:
        return "—"
    local = instant.astimezone(ZoneInfo(zone))
    today = (now or datetime.now(UTC)).astimezone(ZoneInfo(zone)).date()
    words = {"zh-CN": ("昨天", "今天", "明天"), "en": ("yesterday", "today", "tomorrow")}[lang]
    days = (local.date() - today).days
    if -1 <= days <= 1:
        return f"{words[days + 1]} {local:%H:%M}"
    return f"{local:%m-%d %H:%M}" if local.year == today.year else f"{local:%Y-%m-%d %H:%M}"


def exact_time(at: str | datetime | None, *, zone: str = DEFAULT_ZONE) -> str:
    """`2026-11-22 14:30:05`, for hover texts and files; empty for nothing."""
    instant = when(at)
    return "" if instant is None else f"{instant.astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M:%S}"


def span(length: timedelta, lang: str = "zh-CN") -> str:
    """A length of time in its largest fitting unit: `18 分`, `3 小时`, `2 天`; in English `18 min`, `3 h`, `2
    d`.
    """
    minutes = max(0, int(abs(length.total_seconds()) // 60))
    units = {"zh-CN": ("{} 分", "{} 小时", "{} 天"), "en": ("{} min", "{} h", "{} d")}[lang]
    if minutes < 60:
        return units[0].format(max(minutes, 1))
    if minutes < 48 * 60:
        hours, tenths = divmod(minutes // 6, 10)
        return units[1].format(hours if tenths == 0 or hours >= 10 else f"{hours}.{tenths}")
    return units[2].format(minutes // (24 * 60))


@dataclass(frozen=True, slots=True)
class Due:
    """A deadline as it is shown everywhere: a state, an icon (never colour alone) and words."""

    state: DueState
    icon: str
    words: str

    @property
    def text(self) -> str:
        """For table cells: `● 超时 18 分`."""
        return f"{self.icon} {self.words}".strip()


def due(
    due_at: str | datetime | None,
    *,
    state: str = "running",
    lang: str = "zh-CN",
    now: datetime | None = None,
    reason: str = "",
    soon: timedelta = timedelta(minutes=30),
) -> Due:
    """How a deadline stands. `state` is the clock's (running, paused, uncovered, met, breached, stopped …).

    Due soon means within `soon` (30 minutes by default: product decision). A stopped clock shows nothing.
    """
    zh = lang == "zh-CN"
    if state == "paused":
        return Due("paused", "‖", _join("暂停" if zh else "paused", reason))
    if state == "uncovered":
        return Due("uncovered", "○", "待日历" if zh else "no calendar yet")
    instant = when(due_at)
    if instant is None or state not in ("running", "open"):
        return Due("none", "", "")
    left = instant - (now or datetime.now(UTC))
    words = span(left, lang)
    if left <= timedelta(0):
        return Due("overdue", "●", f"超时 {words}" if zh else f"{words} overdue")
    return Due(
        "due_soon" if left <= soon else "on_time",
        "◐" if left <= soon else "",
        f"剩 {words}" if zh else f"{words} left",
    )


def _join(word: str, reason: str) -> str:
    return f"{word} · {reason}" if reason else word
