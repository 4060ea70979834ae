"""Areas, stages, states and dates of the library in words."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import streamlit as st

from backend.errors import AppError
from backend.history import Event
from backend.library.models import CASE_TYPES, Right, Script
from backend.library.variables import VARIABLES
from pages.shared import format as fmt
from pages.shared import frame
from pages.shared.format import md
from pages.shared.i18n import known, locale, plain, refusal
from pages.shared.words import wording as words

_PLACE = re.compile(r"(\{[^{}]*\})")


def name_of(kind: str, code: str | None) -> str:
    """The word for a code (`library.<kind>.<code>`), or the code when it is newer than this page."""
    key = f"library.{kind}.{code}"
    return plain(key) if code and known(key) else code or ""


def stage(code: str | None) -> str:
    """A stage of a sale, or a kind of ticket."""
    return name_of("case" if code in CASE_TYPES else "stage", code)


def body(text: str) -> str:
    """Markdown of a script: line breaks kept, variables in colour, nothing else becomes markup."""
    parts = [
        f":blue-background[{words.lines(part)}]" if _PLACE.fullmatch(part) else words.lines(part)
        for part in _PLACE.split(text)
    ]
    return "".join(parts)


def variable(name: str) -> str:
    """The name of a variable for a label: with its English name in English."""
    return name if locale() == "zh-CN" else f"{name} ({VARIABLES[name][0]})"


def facts(row: Script) -> list[str]:
    """What a script is for, in short words."""
    return [
        part
        for part in (
            name_of("area", row.area),
            stage(row.stage),
            row.objection,
            row.root_cause or "",
            row.sku,
        )
        if part
    ]


def until(row: Script) -> str:
    """`有效期至 …`, `活动 … 起`; empty without dates. Plain text."""
    if row.is_ahead and row.campaign_from:
        return plain("library.from", at=frame.clock(row.campaign_from))
    ends = [moment for moment in (row.campaign_until, row.expires_at) if moment]
    if not ends:
        return ""
    key = "library.ended" if row.is_over else "library.until"
    return plain(key, at=frame.clock(min(ends)))


def why_not(right: Right | None) -> str | None:
    """Why a step is not possible, for the help of its button; None when it is."""
    if right is None or right.key is None:
        return None
    return refusal(AppError(right.key, params=right.params))


def told(event: Event, states: str) -> str:
    """A line of a timeline. Plain text."""
    to = str(event.detail.get("to") or "")
    parts = (
        frame.clock(event.at),
        event.who or plain("library.system"),
        name_of("event", event.action),
        name_of(states, to) if to else "",
        str(event.detail.get("reason") or event.detail.get("note") or ""),
    )
    return " · ".join(part for part in parts if part)


def history(events: tuple[Event, ...], states: str) -> None:
    """The timeline of a record, folded."""
    with st.expander(plain("library.timeline", count=len(events)), icon=":material/history:"):
        for event in events:
            st.caption(md(told(event, states)))


def end_of(day: object, zone: str) -> datetime | None:
    """Midnight after a day in a zone: what lasts until a day includes it."""
    return _midnight(day, zone, 1)


def start_of(day: object, zone: str) -> datetime | None:
    """Midnight before a day in a zone."""
    return _midnight(day, zone, 0)


def day_of(moment: datetime | None, zone: str, *, last: bool) -> object:
    """The day behind `start_of`, or with `last` behind `end_of`, for a date field."""
    if moment is None:
        return None
    shown = moment - timedelta(seconds=1) if last else moment
    return shown.astimezone(ZoneInfo(zone)).date()


def _midnight(day: object, zone: str, later: int) -> datetime | None:
    if day is None:
        return None
    moment = datetime.fromisoformat(f"{day}T00:00:00").replace(tzinfo=ZoneInfo(zone))
    return moment + timedelta(days=later)


def share(part: int, whole: int) -> str:
    """`3 / 8（37.5 %）`; `—` without anything to divide by."""
    return f"{part} / {whole} · {part / whole:.1%}" if whole else "—"


def amount(value: object) -> str:
    """Money as people read it."""
    return fmt.money(None if value is None else str(value))
