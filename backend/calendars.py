"""班次日历: when time counts. Reads calendars, holidays and campaigns, previews a change, and makes it."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final, Literal
from uuid import UUID

from supabase import Client

from backend import db
from backend.errors import AppError

ChangeKind = Literal["calendar", "day", "year", "campaign"]
Hours = tuple[int, int]
"""Open from, to: minutes from 00:00; 1440 is 24:00, 1560 is 02:00 of the next day."""
MOST_BYTES: Final = 200_000
_SPAN: Final = re.compile(r"(\d{1,2}):(\d{2})\s*[-~–—至到]\s*(次日|\+1)?\s*(\d{1,2}):(\d{2})")
_DATE: Final = r"20\d\d-\d{1,2}-\d{1,2}"
_DATES: Final = re.compile(rf"({_DATE})(?:\s*(?:~|至|到|–|—|\.\.)\s*({_DATE}))?")
_LONGEST_HOLIDAY: Final = 31


@dataclass(frozen=True, slots=True)
class Shift:
    """A shift of a calendar; `id` is None for a new one. Weekdays 1 (Monday) … 7."""

    id: int | None
    name: str
    weekdays: tuple[int, ...]
    opens: int
    closes: int
    min_staff: int = 0


@dataclass(frozen=True, slots=True)
class Calendar:
    """A calendar with its shifts.

    `waiting`: deadlines of my shops that wait for a year's list. `covered_until`: the last date that the
    lists cover; None when it follows no holidays.
    """

    id: int
    code: str
    name: str
    kind: str
    timezone: str
    follows_holidays: bool
    is_active: bool
    version: int
    shifts: tuple[Shift, ...]
    policies: int
    waiting: int
    covered_until: date | None

    @property
    def has_shifts(self) -> bool:
        """Whether it has hours to plan people on: neither whole days nor all the time."""
        return self.kind == "working"


@dataclass(frozen=True, slots=True)
class Campaign:
    """大促模式: its calendars are open from begin to end (ISO instants), all hands or not."""

    id: int
    name: str
    starts_at: str
    ends_at: str
    is_all_hands: bool
    calendars: tuple[int, ...]
    version: int


@dataclass(frozen=True, slots=True)
class Year:
    """The national list of a year."""

    year: int
    holidays: tuple[date, ...]
    makeup_workdays: tuple[date, ...]
    source: str


@dataclass(frozen=True, slots=True)
class ShopCalendar:
    """By which calendar a shop's people work."""

    id: int
    name: str
    timezone: str
    version: int
    calendar_id: int


@dataclass(frozen=True, slots=True)
class Screen:
    """All that the calendars page shows."""

    calendars: tuple[Calendar, ...]
    years: tuple[Year, ...]
    campaigns: tuple[Campaign, ...]
    shops: tuple[ShopCalendar, ...]


@dataclass(frozen=True, slots=True)
class Day:
    """Open hours of a date, and why. `is_known` is False in a year whose list is not there yet."""

    day: date
    hours: tuple[Hours, ...]
    is_holiday: bool
    is_makeup: bool
    is_own: bool
    is_known: bool
    note: str
    campaign: str | None


# Reading ---------------------------------------------------------------------------------------------------


def screen(client: Client) -> Screen:
    """Calendars, holiday lists, campaigns and the shops' calendars, in one request."""
    found = db.rpc(client, "calendars_screen")
    return Screen(
        tuple(_calendar(row) for row in found["calendars"]),
        tuple(_year(row) for row in found["years"]),
        tuple(_campaign(row) for row in found["campaigns"]),
        tuple(ShopCalendar(**row) for row in found["shops"]),
    )


def month(client: Client, code: str, first: date, days: int) -> list[Day]:
    """Open hours of each date, at most 62. Raises AppError calendar.unknown, calendar.bad_day."""
    found = db.rpc(client, "calendar_month", p_calendar=code, p_from=first.isoformat(), p_days=days)
    return [
        Day(
            **{
                **row,
                "day": date.fromisoformat(row["day"]),
                "hours": tuple((int(a), int(b)) for a, b in row["hours"]),
            }
        )
        for row in found
    ]


# Changing --------------------------------------------------------------------------------------------------


def preview(client: Client, kind: ChangeKind, change: Mapping[str, Any]) -> dict[str, Any]:
    """What a change would do to open deadlines: {moved, earlier, later, covered, uncovered, open, examples}.

    Raises the same AppErrors as the change itself.
    """
    answer: dict[str, Any] = db.rpc(client, "preview_calendar_change", p_kind=kind, p_change=dict(change))
    return answer


def save_calendar(client: Client, change: Mapping[str, Any], *, request_id: UUID) -> int:
    """Changes a calendar, or adds one (see `calendar_change`); returns how many deadlines moved.

    Raises AppError calendar.* (stale, shift_planned, bad_shift, in_use …).
    """
    answer = db.command(client, "save_calendar", p_calendar=dict(change), request_id=request_id)
    return int(answer["moved"])


def set_day(client: Client, change: Mapping[str, Any], *, request_id: UUID) -> int:
    """Own hours of one date, as `day_change` gives them; returns how many deadlines moved."""
    answer = db.command(
        client,
        "set_calendar_day",
        p_calendar=change["calendar"],
        p_day=change["day"],
        p_hours=change["hours"],
        p_note=change["note"],
        request_id=request_id,
    )
    return int(answer["moved"])


def import_year(client: Client, change: Mapping[str, Any], *, request_id: UUID) -> int:
    """Stores a year's list, as `read_year` gives it; returns how many deadlines moved."""
    answer = db.command(client, "import_holiday_year", p_list=dict(change), request_id=request_id)
    return int(answer["moved"])


def save_campaign(client: Client, change: Mapping[str, Any], *, request_id: UUID) -> int:
    """Adds or changes a campaign {id, version, name, starts_at, ends_at, is_all_hands, calendars}; returns
    how many deadlines moved. Raises AppError campaign.*.
    """
    answer = db.command(client, "save_campaign", p_campaign=dict(change), request_id=request_id)
    return int(answer["moved"])


def end_campaign(client: Client, campaign: Campaign, *, request_id: UUID) -> int:
    """Ends a campaign now; returns how many deadlines moved."""
    answer = db.command(
        client, "end_campaign", p_id=campaign.id, p_version=campaign.version, request_id=request_id
    )
    return int(answer["moved"])


def set_shop_calendar(client: Client, shop: ShopCalendar, calendar_id: int, *, request_id: UUID) -> None:
    """The calendar whose shifts a shop works by. Raises AppError shop.stale, campaign.bad_calendar."""
    db.command(
        client,
        "set_shop_calendar",
        p_shop_id=shop.id,
        p_calendar_id=calendar_id,
        p_version=shop.version,
        request_id=request_id,
    )


def calendar_change(
    calendar: Calendar,
    shifts: Sequence[Shift],
    *,
    name: str | None = None,
    follows_holidays: bool | None = None,
    is_active: bool | None = None,
) -> dict[str, Any]:
    """A changed calendar as `save_calendar` and `preview` take it."""
    return {
        "id": calendar.id,
        "version": calendar.version,
        "name": calendar.name if name is None else name,
        "follows_holidays": calendar.follows_holidays if follows_holidays is None else follows_holidays,
        "is_active": calendar.is_active if is_active is None else is_active,
        "shifts": shifts_payload(shifts),
    }


def shifts_payload(shifts: Sequence[Shift]) -> list[dict[str, Any]]:
    """Shifts as the database takes them."""
    return [
        {
            "id": shift.id,
            "name": shift.name,
            "weekdays": list(shift.weekdays),
            "opens": shift.opens,
            "closes": shift.closes,
            "min_staff": shift.min_staff,
        }
        for shift in shifts
    ]


def day_change(code: str, day: date, hours: Sequence[Hours] | None, note: str) -> dict[str, Any]:
    """A date with its own hours (empty: closed; None: as usual again) as `set_day` and `preview` take it."""
    spans = None if hours is None else [list(span) for span in hours]
    return {"calendar": code, "day": day.isoformat(), "hours": spans, "note": note}


# Words of hours, files of a year ---------------------------------------------------------------------------


def clock(minute: int) -> str:
    """`08:00`, `24:00`; beyond midnight with a mark: `+02:00`."""
    if minute <= 1440:
        return f"{minute // 60:02}:{minute % 60:02}"
    return f"+{(minute - 1440) // 60:02}:{minute % 60:02}"


def hours_text(hours: Sequence[Hours]) -> str:
    """`08:00–12:00, 13:00–24:00`; as `parse_hours` reads it. Empty for a closed day."""
    return ", ".join(f"{clock(opens)}–{clock(closes)}" for opens, closes in hours)


def parse_hours(raw: str) -> tuple[Hours, ...]:
    """Hours of a date: `8:00-12:00, 13:00-24:00`; an end before its begin is on the next day.

    An empty text is a closed day. Raises AppError calendar.bad_hours.
    """
    plain = unicodedata.normalize("NFKC", raw).replace("+", "次日").strip()
    found = []
    rest = plain
    for span in _SPAN.finditer(plain):
        opens, closes = _minute(span[1], span[2]), _minute(span[4], span[5])
        found.append((opens, closes + 1440 if span[3] or closes <= opens else closes))
        rest = rest.replace(span[0], "", 1)
    too_late = any(opens > 1440 or closes > 2880 for opens, closes in found)
    if rest.strip(" ,、;，；") or too_late:
        raise AppError("calendar.bad_hours")
    return tuple(found)


def _minute(hour: str, minute: str) -> int:
    if int(minute) > 59:
        raise AppError("calendar.bad_hours")
    return int(hour) * 60 + int(minute)


def read_year(data: bytes) -> dict[str, Any]:
    """A year's list out of a JSON file {year, holidays, makeup_workdays, source}; only these four are kept.

    Raises AppError calendar.bad_list. The dates are judged by the database.
    """
    try:
        found = json.loads(data.decode("utf-8-sig")) if len(data) <= MOST_BYTES else None
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise AppError("calendar.bad_list", params={"field": "JSON"}) from error
    if not isinstance(found, dict):
        raise AppError("calendar.bad_list", params={"field": "JSON"})
    return {
        "year": found.get("year"),
        "holidays": found.get("holidays"),
        "makeup_workdays": found.get("makeup_workdays"),
        "source": str(found.get("source") or "")[:300],
    }


def typed_dates(raw: str, name: str) -> list[str]:
    """ISO dates of a text like `2027-02-05~2027-02-11, 2027-04-05`. Raises AppError calendar.bad_list."""
    if re.sub(r"[\s,，、;；]", "", _DATES.sub("", raw)):
        raise AppError("calendar.bad_list", params={"field": name})
    days: set[date] = set()
    for first, last in _DATES.findall(raw):
        start, end = _typed_day(first, name), _typed_day(last or first, name)
        if not timedelta() <= end - start < timedelta(days=_LONGEST_HOLIDAY):
            raise AppError("calendar.bad_list", params={"field": name})
        days |= {start + timedelta(days=n) for n in range((end - start).days + 1)}
    return [day.isoformat() for day in sorted(days)]


def _typed_day(text: str, name: str) -> date:
    try:
        year, month, day = (int(part) for part in text.split("-"))
        return date(year, month, day)
    except ValueError as error:
        raise AppError("calendar.bad_list", params={"field": name}) from error


def as_year(found: Mapping[str, Any]) -> Year:
    """A list that was read, as values, to be shown. Raises AppError calendar.bad_list."""
    for name in ("holidays", "makeup_workdays"):
        dates = found.get(name)
        if not isinstance(dates, list) or not all(_is_date(one) for one in dates):
            raise AppError("calendar.bad_list", params={"field": name})
    if not isinstance(found.get("year"), int):
        raise AppError("calendar.bad_list", params={"field": "year"})
    return _year(found)


def _is_date(text: object) -> bool:
    try:
        return isinstance(text, str) and bool(date.fromisoformat(text))
    except ValueError:
        return False


def _calendar(row: Mapping[str, Any]) -> Calendar:
    until = row["covered_until"]
    return Calendar(
        **{name: row[name] for name in ("id", "code", "name", "kind", "timezone", "follows_holidays")},
        **{name: row[name] for name in ("is_active", "version", "policies", "waiting")},
        shifts=tuple(Shift(**{**one, "weekdays": tuple(one["weekdays"])}) for one in row["shifts"]),
        covered_until=date.fromisoformat(until) if until else None,
    )


def _campaign(row: Mapping[str, Any]) -> Campaign:
    names = ("id", "name", "starts_at", "ends_at", "is_all_hands", "version")
    return Campaign(**{name: row[name] for name in names}, calendars=tuple(row["calendars"]))


def _year(row: Mapping[str, Any]) -> Year:
    return Year(
        int(row["year"]),
        tuple(date.fromisoformat(day) for day in row["holidays"]),
        tuple(date.fromisoformat(day) for day in row["makeup_workdays"]),
        str(row["source"]),
    )
