"""Deadlines: asking the clock of the database, reading times as people write them, and saying why.

The database decides (``preview_deadline``, ``preview_workdays``, ``explain_clock``); nothing here counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final
from zoneinfo import ZoneInfo

from backend.db import Rpc
from backend.errors import AppError, catalogue, message

Pause = tuple[datetime, datetime | None]
_SHOWN: Final = 6


def read_instant(text: str, zone: ZoneInfo) -> datetime:
    """The instant of an ISO 8601 text; without an offset it is a local time of ``zone``. 24:00 ends its day.

    Raises AppError ``sla.bad_time``.
    """
    plain = text.strip()
    ends_day = plain[10:16].lower() in ("t24:00", " 24:00") and not plain[16:].strip(":0.+-zZ123456789")
    if ends_day:
        plain = plain[:11] + "00" + plain[13:]
    try:
        instant = datetime.fromisoformat(plain)
        if ends_day:
            instant = _next_day(instant)
    except (ValueError, OverflowError) as error:
        raise AppError("sla.bad_time", params={"text": text}) from error
    return instant if instant.tzinfo else instant.replace(tzinfo=zone)


def _next_day(midnight: datetime) -> datetime:
    """The same wall-clock time one day later; refuses 24:30, which no clock shows."""
    if midnight.minute or midnight.second or midnight.microsecond:
        raise ValueError("only 24:00 exists")
    return midnight + timedelta(days=1)


def read_pause(text: str, zone: ZoneInfo) -> Pause:
    """``START/END`` as two instants; ``START/`` for a pause that lasts (None). Raises ``sla.bad_pause``."""
    start_text, slash, end_text = text.partition("/")
    if not slash:
        raise AppError("sla.bad_pause", params={"text": text})
    start = read_instant(start_text, zone)
    end = read_instant(end_text, zone) if end_text.strip() else None
    if end is not None and end < start:
        raise AppError("sla.bad_pause", params={"text": text})
    return start, end


def as_multirange(pauses: Iterable[Pause]) -> str:
    """Pauses as Postgres reads a tstzmultirange: half-open, overlaps are its own business."""
    spans = [f'["{start.isoformat()}",{_quoted(end)})' for start, end in pauses]
    return "{" + ",".join(spans) + "}"


def _quoted(end: datetime | None) -> str:
    return "" if end is None else f'"{end.isoformat()}"'


def zone_of(rpc: Rpc, calendar: str) -> ZoneInfo:
    """The time zone of a calendar. Raises AppError ``calendar.unknown``."""
    return ZoneInfo(str(rpc("calendar_zone", p_calendar=calendar)))


def deadline_in_minutes(
    rpc: Rpc, calendar: str, start: datetime, minutes: Decimal, pauses: Iterable[Pause] = ()
) -> datetime | None:
    """When ``minutes`` of open time are used up, in UTC or any offset; None under a pause that lasts.

    Raises AppError ``calendar.uncovered`` (param ``year``), ``calendar.unknown``, ``clock.bad_minutes``.
    """
    answer = rpc(
        "preview_deadline",
        p_calendar=calendar,
        p_started_at=start.isoformat(),
        p_minutes=str(minutes),
        p_pauses=as_multirange(pauses),
    )
    return None if answer is None else datetime.fromisoformat(answer)


def deadline_in_days(rpc: Rpc, calendar: str, start: datetime, days: int) -> datetime:
    """24:00 of the ``days``-th working day after the day of ``start``. Raises as deadline_in_minutes."""
    answer = rpc("preview_workdays", p_calendar=calendar, p_started_at=start.isoformat(), p_days=days)
    return datetime.fromisoformat(answer)


# --- saying it ---------------------------------------------------------------------------------------------


def show_instant(instant: datetime, zone: ZoneInfo, *, date: str = "%m-%d") -> str:
    """``11-22 15:30`` in ``zone``, with seconds only where there are any."""
    local = instant.astimezone(zone)
    return local.strftime(f"{date} %H:%M:%S" if local.second else f"{date} %H:%M")


def show_end(instant: datetime, zone: ZoneInfo, *, date: str = "%m-%d") -> str:
    """An end or a deadline: midnight reads as 24:00 of the day that ends there (``11-22 24:00``)."""
    local = instant.astimezone(zone)
    if (local.hour, local.minute, local.second) != (0, 0, 0):
        return show_instant(instant, zone, date=date)
    return (local - timedelta(days=1)).strftime(f"{date} 24:00")


def explain_lines(facts: Mapping[str, Any], lang: str = "zh-CN") -> tuple[str, str, str]:
    """为什么是这个时间？ What `explain_clock` answers, in words: beginning, what counted, what did not."""
    zone = ZoneInfo(facts["timezone"])
    return _start_line(facts, zone, lang), _counted_line(facts, zone, lang), _pause_line(facts, zone, lang)


def _start_line(facts: Mapping[str, Any], zone: ZoneInfo, lang: str) -> str:
    used = Decimal(str(facts["used_before"]))
    unit = "clock.unit.days" if facts["measure"] == "workdays" else "clock.unit.minutes"
    return message(
        "clock.explain.carried" if used else "clock.explain.start",
        lang,
        start=show_instant(datetime.fromisoformat(facts["counted_from"]), zone),
        policy=facts["policy"],
        used=_number(used),
        allowance=_number(facts["allowance"]),
        unit=message(unit, lang),
        calendar=facts["calendar"] or message("clock.explain.wall", lang),
    )


def _counted_line(facts: Mapping[str, Any], zone: ZoneInfo, lang: str) -> str:
    shown = [
        message(
            "clock.explain.window",
            lang,
            **_span(window, zone, lang),
            minutes=_number(window["minutes"]),
        )
        for window in facts["windows"][:_SHOWN]
    ]
    if not shown:
        return message("clock.explain.nothing", lang)
    count = int(facts["windows_count"])
    if count > len(shown):
        total = _number(facts["minutes"])
        shown.append(message("clock.explain.more", lang, count=count, minutes=total))
    return message("clock.explain.counted", lang, windows=_listed(shown, lang))


def _pause_line(facts: Mapping[str, Any], zone: ZoneInfo, lang: str) -> str:
    shown = [
        message(
            "clock.explain.pause",
            lang,
            **_span(pause, zone, lang),
            reason=reason_words(pause["reason"], lang),
        ).rstrip()
        for pause in facts["pauses"]
    ]
    if not shown:
        return message("clock.explain.no_pause", lang)
    return message("clock.explain.paused", lang, pauses=_listed(shown, lang))


def reason_words(reason: str, lang: str) -> str:
    """A reason as written by a person, or the words for one that the desk gave itself."""
    key = f"clock.reason.{reason}"
    return message(key, lang) if key in catalogue() else reason


def _span(span: Mapping[str, Any], zone: ZoneInfo, lang: str) -> dict[str, str]:
    """Begin and end of a window or pause; the end leaves out its date when that is the same."""
    start = show_instant(datetime.fromisoformat(span["from"]), zone)
    if span["to"] is None:
        return {"from": start, "to": message("clock.explain.now", lang)}
    end = show_end(datetime.fromisoformat(span["to"]), zone)
    return {"from": start, "to": end[6:] if end[:5] == start[:5] else end}


def _listed(parts: list[str], lang: str) -> str:
    return ("、" if lang == "zh-CN" else ", ").join(parts)


def _number(value: Any) -> str:
    """A count of minutes or days without trailing zeros, to a tenth."""
    rounded = round(Decimal(str(value)), 1)
    return f"{rounded:f}".rstrip("0").rstrip(".") if rounded % 1 else f"{int(rounded)}"
