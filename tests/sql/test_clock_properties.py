"""What holds for every calendar: the database against a slow reference that looks at one minute after the other."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import psycopg
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

Connection = psycopg.Connection[Any]
MINUTE = timedelta(minutes=1)
FIRST = datetime(2026, 2, 10, tzinfo=UTC)
"""Starts lie in three weeks with Spring Festival and two make-up Saturdays; New York changes its clocks soon after."""

few = settings(
    max_examples=25,
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
server_zones = st.sampled_from(["UTC", "Asia/Shanghai", "America/New_York"])


@dataclass(frozen=True)
class Calendar:
    """What a calendar is made of; minutes are counted from 00:00."""

    zone: str
    follows_holidays: bool
    shifts: tuple[tuple[tuple[int, ...], int, int], ...]
    days: dict[date, tuple[tuple[int, int], ...]]


@dataclass(frozen=True)
class Lists:
    """The holidays and make-up workdays of the year."""

    holidays: frozenset[date]
    makeup: frozenset[date]


def whole_hours(after: int, longest: int) -> st.SearchStrategy[int]:
    """Edges of shifts, half an hour apart; none where New York's clock jumps (02:00–03:00)."""
    edges = range(after // 30 + 1, (after + longest) // 30 + 1)
    return st.sampled_from([edge * 30 for edge in edges if not 120 <= edge * 30 % 1440 < 180])


@st.composite
def spans(draw: st.DrawFn) -> tuple[int, int]:
    opens = draw(st.sampled_from([m for m in range(0, 1440, 30) if not 120 <= m < 180]))
    return opens, draw(whole_hours(opens, 1440))


@st.composite
def calendars(draw: st.DrawFn) -> Calendar:
    weekdays = st.sets(st.integers(1, 7), min_size=1).map(lambda found: tuple(sorted(found)))
    shifts = draw(st.lists(st.tuples(weekdays, spans()), min_size=1, max_size=4))
    offsets = st.dictionaries(st.integers(0, 25), st.lists(spans(), max_size=2).map(tuple), max_size=3)
    return Calendar(
        zone=draw(st.sampled_from(["Asia/Shanghai", "America/New_York", "Asia/Kolkata", "UTC"])),
        follows_holidays=draw(st.booleans()),
        shifts=tuple((days, opens, closes) for days, (opens, closes) in shifts),
        days={FIRST.date() + timedelta(days=n): hours for n, hours in draw(offsets).items()},
    )


starts = st.integers(0, 21 * 1440).map(lambda minute: FIRST + minute * MINUTE)
amounts = st.integers(0, 2500)
pause_lists = st.lists(st.tuples(starts, st.integers(0, 4000).map(lambda n: n * MINUTE)), max_size=4)


# --- the reference -----------------------------------------------------------------------------------------------


def hours_of(calendar: Calendar, lists: Lists, day: date) -> list[tuple[int, int]]:
    """Opening hours of one date, as the rules say them in words."""
    if day in calendar.days:
        return list(calendar.days[day])
    weekday = day.isoweekday()
    if calendar.follows_holidays and day in lists.holidays:
        return []
    if calendar.follows_holidays and day in lists.makeup:
        weekday = min(min(days) for days, _, _ in calendar.shifts)
    return [(opens, closes) for days, opens, closes in calendar.shifts if weekday in days]


def open_minutes(calendar: Calendar, lists: Lists, start: datetime, days: int) -> list[datetime]:
    """Every open minute from ``start`` on, one after the other, over ``days`` days."""
    zone = ZoneInfo(calendar.zone)
    found: set[datetime] = set()
    first = start.astimezone(zone).date() - timedelta(days=1)
    for day in (first + timedelta(days=n) for n in range(days + 2)):
        for opens, closes in hours_of(calendar, lists, day):
            moment, end = (instant(day, minute, zone) for minute in (opens, closes))
            while moment < end:
                found.add(moment)
                moment += MINUTE
    return sorted(moment for moment in found if moment >= start)


def instant(day: date, minute: int, zone: ZoneInfo) -> datetime:
    """A local minute of a day as an instant."""
    local = datetime.combine(day, time()) + minute * MINUTE
    return local.replace(tzinfo=zone).astimezone(UTC)


def slow_deadline(
    minutes_open: list[datetime], start: datetime, amount: int, pauses: list[tuple[datetime, timedelta]]
) -> datetime | None:
    """The end of the ``amount``-th open minute that lies in no pause; None when there are fewer."""
    if amount == 0:
        return start
    counted = (m for m in minutes_open if not any(begin <= m < begin + length for begin, length in pauses))
    for number, minute in enumerate(counted, start=1):
        if number == amount:
            return minute + MINUTE
    return None


# --- the database ------------------------------------------------------------------------------------------------


@pytest.fixture
def lists(db: Connection) -> Lists:
    row = db.execute("select holidays, makeup_workdays from holiday_years where year = 2026").fetchone()
    assert row is not None
    return Lists(frozenset(row[0]), frozenset(row[1]))


def store(db: Connection, calendar: Calendar, server_zone: str) -> int:
    """The calendar as a row, replacing the one of the example before."""
    db.execute("select set_config('TimeZone', %s, true)", (server_zone,))
    db.execute("""delete from calendar_days using calendars where id = calendar_id and code = 'property';
        delete from calendar_shifts using calendars c where c.id = calendar_id and code = 'property';
        delete from calendars where code = 'property'""")
    row = db.execute(
        """insert into calendars (code, name, timezone, follows_holidays) values ('property', 'x', %s, %s)
           returning id""",
        (calendar.zone, calendar.follows_holidays),
    ).fetchone()
    assert row is not None
    for days, opens, closes in calendar.shifts:
        db.execute("insert into calendar_shifts (calendar_id, weekdays, opens, closes) values (%s, %s, %s, %s)",
                   (row[0], list(days), opens, closes))  # fmt: skip
    for day, hours in calendar.days.items():
        ranges = "{" + ",".join(f"[{opens},{closes})" for opens, closes in hours) + "}"
        db.execute("insert into calendar_days values (%s, %s, %s::int4multirange)", (row[0], day, ranges))
    return int(row[0])


def multirange(pauses: list[tuple[datetime, timedelta]]) -> str:
    inner = ",".join(f'["{begin.isoformat()}","{(begin + length).isoformat()}")' for begin, length in pauses)
    return "{" + inner + "}"


def add(
    db: Connection, calendar_id: int, start: datetime, amount: int, pauses: list[tuple[datetime, timedelta]]
) -> datetime | None:
    row = db.execute(
        "select due_at, problem from private.add_working_minutes(%s, %s, %s::numeric, %s::tstzmultirange)",
        (calendar_id, start, amount, multirange(pauses)),
    ).fetchone()
    assert row is not None
    assert (row[0] is None) == (row[1] is not None)
    return row[0]


# --- the properties ----------------------------------------------------------------------------------------------


@few
@given(calendars(), starts, amounts, pause_lists, server_zones)
def test_agrees_with_the_reference(
    db: Connection, lists: Lists, calendar: Calendar, start: datetime, amount: int,
    pauses: list[tuple[datetime, timedelta]], server_zone: str,
) -> None:  # fmt: skip
    expected = slow_deadline(open_minutes(calendar, lists, start, 60), start, amount, pauses)
    assume(expected is not None)
    assert add(db, store(db, calendar, server_zone), start, amount, pauses) == expected


@few
@given(calendars(), starts, starts, pause_lists, server_zones)
def test_minutes_between_agree_with_the_reference(
    db: Connection, lists: Lists, calendar: Calendar, one: datetime, other: datetime,
    pauses: list[tuple[datetime, timedelta]], server_zone: str,
) -> None:  # fmt: skip
    start, end = sorted((one, other))
    expected = [
        minute
        for minute in open_minutes(calendar, lists, start, 24)
        if minute < end and not any(begin <= minute < begin + length for begin, length in pauses)
    ]
    row = db.execute(
        "select private.working_minutes_between(%s, %s, %s, %s::tstzmultirange)",
        (store(db, calendar, server_zone), start, end, multirange(pauses)),
    ).fetchone()
    assert row == (len(expected),)


@few
@given(calendars(), starts, amounts, amounts, pause_lists)
def test_additive(
    db: Connection, calendar: Calendar, start: datetime, one: int, other: int,
    pauses: list[tuple[datetime, timedelta]],
) -> None:  # fmt: skip
    calendar_id = store(db, calendar, "UTC")
    between = add(db, calendar_id, start, one, pauses)
    at_once = add(db, calendar_id, start, one + other, pauses)
    assume(between is not None and at_once is not None)
    assert between is not None
    assert add(db, calendar_id, between, other, pauses) == at_once


@few
@given(calendars(), starts, amounts, amounts, st.integers(0, 5000), pause_lists)
def test_monotone(
    db: Connection, calendar: Calendar, start: datetime, less: int, extra: int, later: int,
    pauses: list[tuple[datetime, timedelta]],
) -> None:  # fmt: skip
    calendar_id = store(db, calendar, "UTC")
    due = add(db, calendar_id, start, less, pauses)
    with_more = add(db, calendar_id, start, less + extra, pauses)
    started_later = add(db, calendar_id, start + later * MINUTE, less, pauses)
    longer_pauses = [(begin, length + timedelta(hours=1)) for begin, length in pauses]
    paused_longer = add(db, calendar_id, start, less, longer_pauses)
    assume(None not in (due, with_more, started_later, paused_longer))
    assert due is not None
    assert start <= due <= with_more  # type: ignore[operator]
    assert due <= started_later or less == 0  # type: ignore[operator]
    assert due <= paused_longer  # type: ignore[operator]


@few
@given(calendars(), starts, amounts, pause_lists, st.integers(0, 4000))
def test_pause_invariant(
    db: Connection, calendar: Calendar, start: datetime, amount: int,
    pauses: list[tuple[datetime, timedelta]], cut: int,
) -> None:  # fmt: skip
    """How a pause is written down changes nothing: in pieces, twice, closed hours beside it, or after the deadline."""
    calendar_id = store(db, calendar, "UTC")
    due = add(db, calendar_id, start, amount, pauses)
    assume(due is not None)
    assert due is not None
    pieces = [
        piece
        for begin, length in pauses
        for piece in (
            (begin, min(length, cut * MINUTE)),
            (begin + min(length, cut * MINUTE), length - min(length, cut * MINUTE)),
        )
    ]
    assert add(db, calendar_id, start, amount, pieces) == due
    assert add(db, calendar_id, start, amount, [*pauses, *reversed(pauses)]) == due
    harmless = [(start - timedelta(days=3), timedelta(days=3)), (due, timedelta(days=3))]
    assert add(db, calendar_id, start, amount, pauses + harmless) == due
    closed = db.execute(
        """select lower(r), upper(r) - lower(r) from unnest(tstzmultirange(tstzrange(%(a)s, %(b)s))
               - private.open_windows(%(id)s, %(a)s, %(b)s)) r""",
        {"id": calendar_id, "a": start, "b": due + timedelta(days=1)},
    ).fetchall()
    assert add(db, calendar_id, start, amount, pauses + closed) == due


@few
@given(calendars(), starts, st.integers(0, 9), pause_lists, server_zones)
def test_working_days_agree_with_the_reference(
    db: Connection, lists: Lists, calendar: Calendar, start: datetime, days: int,
    pauses: list[tuple[datetime, timedelta]], server_zone: str,
) -> None:  # fmt: skip
    zone = ZoneInfo(calendar.zone)
    today = start.astimezone(zone).date()
    worked = []
    for day in (today + timedelta(days=n) for n in range(1, 90)):
        begin, end = instant(day, 0, zone), instant(day, 1440, zone)
        touched = any(at < end and at + length > begin and length for at, length in pauses)
        if hours_of(calendar, lists, day) and not touched:
            worked.append(end)
    expected = [instant(today, 1440, zone), *worked][days]
    row = db.execute(
        """select d.due_at from (select %(id)s::bigint as id) c,
               private.add_working_days(c.id, private.day_end(c.id, %(at)s), %(days)s, %(pauses)s::tstzmultirange) d""",
        {"id": store(db, calendar, server_zone), "at": start, "days": days, "pauses": multirange(pauses)},
    ).fetchone()
    assert row == (expected,)
