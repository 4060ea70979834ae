"""Counting open time, case by case: each rule and each trap of the clock, under three server time zones."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import psycopg
import pytest
from psycopg.types.json import Jsonb

from tests.conftest import Hosted
from tests.support import as_role

Connection = psycopg.Connection[Any]
SHANGHAI = ZoneInfo("Asia/Shanghai")
SERVER_ZONES = ("UTC", "Asia/Shanghai", "America/New_York")

CALENDARS = """
with added as (
    insert into calendars (code, name, timezone, follows_holidays) values
        ('night', '夜班', 'Asia/Shanghai', false), ('night_cn', '夜班（节假日休）', 'Asia/Shanghai', true),
        ('ny_night', '夜班', 'America/New_York', false), ('ny_day', '白班', 'America/New_York', false),
        ('gap', '夏令时缺口', 'America/New_York', false), ('never', '没有班次', 'Asia/Shanghai', false),
        ('split', '两段', 'Asia/Shanghai', false), ('weekend', '周末', 'Asia/Shanghai', true)
    returning id, code)
insert into calendar_shifts (calendar_id, weekdays, opens, closes)
select a.id, s.weekdays, s.opens, s.closes from added a join (values
    ('night', '{1,2,3,4,5,6,7}'::smallint[], 1320, 1800), ('night_cn', '{1,2,3,4,5,6,7}', 1320, 1800),
    ('ny_night', '{1,2,3,4,5,6,7}', 1320, 1800), ('ny_day', '{1,2,3,4,5,6,7}', 480, 1440),
    ('gap', '{7}', 60, 150), ('gap', '{1}', 540, 600),
    ('split', '{1,2,3,4,5,6,7}', 540, 720), ('split', '{1,2,3,4,5,6,7}', 780, 1080),
    ('weekend', '{6,7}', 600, 960)) s (code, weekdays, opens, closes) using (code);
insert into calendar_days (calendar_id, day, hours, note)
select id, d.day::date, d.hours::int4multirange, d.note from calendars, (values
    ('2026-11-11', '{[0,1440)}', '大促'), ('2026-11-13', '{}', '盘点'), ('2026-11-14', '{[600,660),[630,720)}', '短日'))
    d (day, hours, note) where code = 'all';
insert into calendar_days (calendar_id, day, hours)
select id, d.day::date, d.hours::int4multirange from calendars,
    (values ('2026-10-01', '{[540,720)}'), ('2027-01-01', '{}'), ('2027-01-04', '{[540,1080)}')) d (day, hours)
where code = 'office';
"""


@pytest.fixture(scope="module")
def with_calendars(module_db_url: str) -> Iterator[Connection]:
    """A database with more calendars."""
    with psycopg.connect(module_db_url) as conn:
        conn.execute(CALENDARS)
        conn.commit()
        yield conn
        conn.rollback()


@pytest.fixture(params=SERVER_ZONES)
def clock(request: pytest.FixtureRequest, with_calendars: Connection) -> Iterator[Connection]:
    """That database for one test, answering from a server in another zone each time."""
    with with_calendars.transaction(force_rollback=True):
        with_calendars.execute("select set_config('TimeZone', %s, true)", (request.param,))
        yield with_calendars


def at(text: str) -> datetime:
    """A time of the desk: Shanghai unless it says otherwise; 24:00 ends its day."""
    ends_day = text.endswith(" 24:00")
    moment = datetime.fromisoformat(text.replace(" 24:00", " 00:00"))
    moment = moment if moment.tzinfo else moment.replace(tzinfo=SHANGHAI)
    return moment + timedelta(days=1) if ends_day else moment


def ranges(pauses: tuple[str, ...]) -> str:
    """Pauses "A/B" as a multirange; nothing on a side means without end there."""
    sides = [[f'"{at(side).isoformat()}"' if side else "" for side in text.split("/")] for text in pauses]
    return "{" + ",".join(f"[{start},{end})" for start, end in sides) + "}"


def deadline(
    db: Connection, calendar: str | None, start: str, minutes: float, *pauses: str
) -> datetime | None:
    """What the service key is told."""
    with as_role(db, "service_role"):
        row = db.execute(
            "select preview_deadline(%s, %s, %s::numeric, %s::tstzmultirange)",
            (calendar, at(start), minutes, ranges(pauses)),
        ).fetchone()
    assert row is not None
    return row[0]


def workdays(db: Connection, calendar: str, start: str, days: int) -> datetime | None:
    """What the service key is told."""
    with as_role(db, "service_role"):
        row = db.execute("select preview_workdays(%s, %s, %s)", (calendar, at(start), days)).fetchone()
    assert row is not None
    return row[0]


CASES = {
    "before opening": ("all", "2026-11-22 07:15", 30, "2026-11-22 08:30"),
    "at opening": ("all", "2026-11-22 08:00", 30, "2026-11-22 08:30"),
    "after opening, seconds kept": ("all", "2026-11-22 09:00:07", 30, "2026-11-22 09:30:07"),
    "until 24:00 exactly": ("all", "2026-11-22 23:30", 30, "2026-11-22 24:00"),
    "one minute beyond 24:00": ("all", "2026-11-22 23:30", 31, "2026-11-23 08:01"),
    "one second beyond 24:00": ("all", "2026-11-22 23:30:01", 30, "2026-11-23 08:00:01"),
    "found 23:50, answered by 08:50": ("all", "2026-11-22 23:50", 60, "2026-11-23 08:50"),
    "start at 24:00": ("all", "2026-11-22 24:00", 1, "2026-11-23 08:01"),
    "overlap of two shifts counts once": ("all", "2026-11-22 15:50", 60, "2026-11-22 16:50"),
    "a day has 960 minutes": ("all", "2026-11-22 08:00", 960, "2026-11-22 24:00"),
    "and no more": ("all", "2026-11-22 08:00", 961, "2026-11-23 08:01"),
    "a month end": ("all", "2026-11-30 23:59", 2, "2026-12-01 08:01"),
    "zero minutes while open": ("all", "2026-11-22 10:00", 0, "2026-11-22 10:00"),
    "zero minutes while closed": ("all", "2026-11-22 03:00", 0, "2026-11-22 03:00"),
    "half a minute": ("all", "2026-11-22 10:00", 0.5, "2026-11-22 10:00:30"),
    "early shift ends 16:30": ("early", "2026-11-22 16:29:59", 1, "2026-11-23 08:00:59"),
    "closing time is closed": ("early", "2026-11-22 16:30", 1, "2026-11-23 08:01"),
    "late shift opens 16:00": ("late", "2026-11-22 15:00", 1, "2026-11-22 16:01"),
    "lunch break": ("split", "2026-11-22 11:30", 60, "2026-11-22 13:30"),
    "across midnight": ("night", "2026-11-22 23:30", 60, "2026-11-23 00:30"),
    "a night that began yesterday": ("night", "2026-11-23 05:30", 60, "2026-11-23 22:30"),
    "wall clock by name": ("wall", "2026-10-01 03:00", 90, "2026-10-01 04:30"),
    "wall clock by null": (None, "2026-10-01 03:00", 90, "2026-10-01 04:30"),
    "48 hours of wall clock": (None, "2026-12-31 12:00", 2880, "2027-01-02 12:00"),
    "office: evening to morning": ("office", "2026-11-23 17:30", 60, "2026-11-24 09:30"),
    "office: weekend": ("office", "2026-11-20 17:30", 60, "2026-11-23 09:30"),
    "office: make-up Saturday": ("office", "2026-10-09 17:30", 60, "2026-10-10 09:30"),
    "office: make-up Sunday": ("office", "2026-09-20 09:00", 60, "2026-09-20 10:00"),
    "office: the week of Spring Festival": ("office", "2026-02-14 17:30", 60, "2026-02-24 09:30"),
    "office: a short holiday with hours of its own": ("office", "2026-09-30 17:30", 60, "2026-10-01 09:30"),
    "office: the rest of National Day": ("office", "2026-10-01 11:30", 60, "2026-10-08 09:30"),
    "office: the last day of the list": ("office", "2026-12-31 17:30", 30, "2026-12-31 18:00"),
    "weekend team: holidays close it": ("weekend", "2026-10-03 10:00", 60, "2026-10-10 11:00"),
    "workdays: whole days": ("workdays", "2026-11-20 23:00", 120, "2026-11-23 01:00"),
    "29 February": ("all", "2028-02-28 23:00", 120, "2028-02-29 09:00"),
    "28 February of another year": ("all", "2027-02-28 23:00", 120, "2027-03-01 09:00"),
    "29 February by the wall": ("wall", "2028-02-28 12:00", 1440, "2028-02-29 12:00"),
    "an offset in the input": ("all", "2026-11-22T15:30:00+00:00", 31, "2026-11-23 08:01"),
    "another offset": ("all", "2026-11-22T09:00:00-05:00", 60, "2026-11-22 23:00"),
    "campaign night": ("all", "2026-11-10 23:30", 60, "2026-11-11 00:30"),
    "a closed date": ("all", "2026-11-12 23:30", 60, "2026-11-14 10:30"),
    "a short date, overlap once": ("all", "2026-11-14 10:00", 121, "2026-11-15 08:01"),
    "a calendar without holidays never runs out": ("all", "2035-05-05 08:00", 60, "2035-05-05 09:00"),
    "years ahead": ("all", "2026-11-22 08:00", 960 * 1000, "2029-08-17 24:00"),
}


@pytest.mark.parametrize("case", CASES)
def test_deadline(clock: Connection, case: str) -> None:
    calendar, start, minutes, expected = CASES[case]
    assert deadline(clock, calendar, start, minutes) == at(expected)


PAUSED = {
    "half-open at the start": (10, ("2026-11-22 08:00/2026-11-22 08:10",), "2026-11-22 08:20"),
    "in the middle": (60, ("2026-11-22 08:30/2026-11-22 10:00",), "2026-11-22 10:30"),
    "overlapping pauses count once": (
        60,
        ("2026-11-22 08:30/2026-11-22 09:00", "2026-11-22 08:45/2026-11-22 09:15"),
        "2026-11-22 09:45",
    ),
    "outside open hours": (60, ("2026-11-22 00:00/2026-11-22 08:00",), "2026-11-22 09:00"),
    "over midnight": (960, ("2026-11-22 23:00/2026-11-23 09:00",), "2026-11-23 10:00"),
    "from the deadline on": (60, ("2026-11-22 09:00/2026-11-22 12:00",), "2026-11-22 09:00"),
    "after the deadline": (60, ("2026-11-22 11:00/2026-11-22 12:00",), "2026-11-22 09:00"),
    "before the start": (60, ("2026-11-21 08:00/2026-11-22 08:00",), "2026-11-22 09:00"),
    "since ever": (60, ("/2026-11-22 08:30",), "2026-11-22 09:30"),
    "five days": (60, ("2026-11-22 08:30/2026-11-27 08:30",), "2026-11-27 09:00"),
    "of no length": (60, ("2026-11-22 08:30/2026-11-22 08:30",), "2026-11-22 09:00"),
    "without end, after the deadline": (60, ("2026-11-22 09:00/",), "2026-11-22 09:00"),
    "without end, before it": (60, ("2026-11-22 08:59:59/",), None),
    "without end from the start": (60, ("2026-11-22 08:00/",), None),
}


@pytest.mark.parametrize("case", PAUSED)
def test_pauses(clock: Connection, case: str) -> None:
    minutes, pauses, expected = PAUSED[case]
    assert deadline(clock, "all", "2026-11-22 08:00", minutes, *pauses) == (
        at(expected) if expected else None
    )


WALL_PAUSED = {
    "wall clock paused": (("2026-11-22 00:10/2026-11-22 05:00",), "2026-11-22 05:50"),
    "wall clock paused for good": (("2026-11-22 00:10/",), None),
}


@pytest.mark.parametrize("case", WALL_PAUSED)
def test_pauses_of_the_wall_clock(clock: Connection, case: str) -> None:
    pauses, expected = WALL_PAUSED[case]
    assert deadline(clock, None, "2026-11-22 00:00", 60, *pauses) == (at(expected) if expected else None)


NEW_YORK = {
    "spring night has seven hours": ("ny_night", "2026-03-07T22:00-05:00", 420, "2026-03-08T06:00-04:00"),
    "one minute more waits for the evening": (
        "ny_night",
        "2026-03-07T22:00-05:00",
        421,
        "2026-03-08T22:01-04:00",
    ),
    "autumn night has nine hours": ("ny_night", "2026-10-31T22:00-04:00", 540, "2026-11-01T06:00-05:00"),
    "autumn, one minute more": ("ny_night", "2026-10-31T22:00-04:00", 541, "2026-11-01T22:01-05:00"),
    "a day shift keeps its length": ("ny_day", "2026-03-07T08:00-05:00", 961, "2026-03-08T08:01-04:00"),
    "wall minutes are real minutes": ("wall", "2026-03-08T01:30-05:00", 60, "2026-03-08T03:30-04:00"),
    "a shift into the gap ends with its real time": (
        "gap",
        "2026-03-08T01:00-05:00",
        90,
        "2026-03-08T03:30-04:00",
    ),
}


@pytest.mark.parametrize("case", NEW_YORK)
def test_daylight_saving(clock: Connection, case: str) -> None:
    calendar, start, minutes, expected = NEW_YORK[case]
    assert deadline(clock, calendar, start, minutes) == datetime.fromisoformat(expected)


UNCOVERED = {
    "one minute into the next year": ("office", "2026-12-31 17:30", 31, 2027),
    "a start in a year without a list": ("office", "2028-06-01 10:00", 10, 2028),
    "even for zero minutes": ("office", "2028-06-01 10:00", 0, 2028),
    "a start before the lists begin": ("office", "2025-12-31 10:00", 10, 2025),
    "a list that ends before the pause does": (
        "office",
        "2026-12-31 17:00",
        31,
        2027,
        "2026-12-31 17:00/2027-01-05 10:00",
    ),
    "a night before the lists begin": ("night_cn", "2026-01-01 01:00", 10, 2025),
    "a pause without end that begins after the list": (
        "office",
        "2026-12-31 17:00",
        61,
        2027,
        "2027-01-05 10:00/",
    ),
}


@pytest.mark.parametrize("case", UNCOVERED)
def test_what_no_list_covers_is_not_guessed(clock: Connection, case: str) -> None:
    calendar, start, minutes, year, *pauses = UNCOVERED[case]
    with pytest.raises(psycopg.Error, match=r"calendar\.uncovered") as refusal:
        deadline(clock, calendar, start, minutes, *pauses)
    assert refusal.value.sqlstate == "PT422"
    assert refusal.value.diag.message_detail is not None
    assert f'"year": {year}' in refusal.value.diag.message_detail


def test_special_days_are_known_without_a_list(clock: Connection) -> None:
    assert workdays(clock, "office", "2026-12-30 10:00", 1) == at("2026-12-31 24:00")
    clock.execute("""insert into calendar_days (calendar_id, day, hours)
        select id, d, '{[540,1080)}' from calendars, unnest('{2027-01-02,2027-01-03}'::date[]) d where code = 'office'""")
    assert deadline(clock, "office", "2026-12-31 17:00", 61) == at("2027-01-02 09:01")  # 2027-01-01 is closed


def test_the_night_before_a_holiday_is_worked_to_its_end(clock: Connection) -> None:
    assert deadline(clock, "night_cn", "2026-04-03 23:00", 420) == at("2026-04-04 06:00")
    assert deadline(clock, "night_cn", "2026-04-03 23:00", 421) == at("2026-04-07 22:01")


DAYS = {
    "the start day does not count": ("workdays", "2026-11-23 00:00", 1, "2026-11-24 24:00"),
    "five working days over National Day": ("workdays", "2026-09-30 12:00", 5, "2026-10-13 24:00"),
    "a make-up Saturday counts": ("workdays", "2026-10-09 18:00", 1, "2026-10-10 24:00"),
    "24:00 begins the next day": ("workdays", "2026-11-23 24:00", 1, "2026-11-25 24:00"),
    "a start on Sunday": ("workdays", "2026-11-22 23:59:59", 1, "2026-11-23 24:00"),
    "zero days: the end of today": ("workdays", "2026-11-22 09:00", 0, "2026-11-22 24:00"),
    "the last day of the list": ("workdays", "2026-12-30 09:00", 1, "2026-12-31 24:00"),
    "the day follows the calendar's zone, not UTC": (
        "workdays",
        "2026-11-22T23:00:00+00:00",
        1,
        "2026-11-24 24:00",
    ),
    "every day is a day of `all`": ("all", "2026-11-20 09:00", 2, "2026-11-22 24:00"),
    "but a closed one is not": ("all", "2026-11-12 09:00", 1, "2026-11-14 24:00"),
    "and of the wall": ("wall", "2026-10-01 09:00", 2, "2026-10-03 24:00"),
    "28 February of a leap year": ("all", "2028-02-27 09:00", 2, "2028-02-29 24:00"),
}


@pytest.mark.parametrize("case", DAYS)
def test_working_days(clock: Connection, case: str) -> None:
    calendar, start, days, expected = DAYS[case]
    assert workdays(clock, calendar, start, days) == at(expected)


def test_working_days_in_a_zone_with_daylight_saving(clock: Connection) -> None:
    found = workdays(clock, "ny_day", "2026-03-07T12:00-05:00", 1)
    assert found == datetime.fromisoformat("2026-03-09T00:00-04:00")


def test_working_days_beyond_the_list(clock: Connection) -> None:
    with pytest.raises(psycopg.Error, match=r"calendar\.uncovered"):
        workdays(clock, "workdays", "2026-12-30 09:00", 2)


REFUSED = {
    "no such calendar": ("preview_deadline('nope', now(), 1)", "calendar.unknown"),
    "a calendar that never opens": ("preview_deadline('never', now(), 1)", "calendar.never_open"),
    "a calendar without days": ("preview_workdays('never', now(), 1)", "calendar.never_open"),
    "negative minutes": ("preview_deadline('all', now(), -1)", "clock.bad_minutes"),
    "no minutes": ("preview_deadline('all', now(), null)", "clock.bad_minutes"),
    "minutes that are no number": ("preview_deadline('all', now(), 'NaN')", "clock.bad_minutes"),
    "endless minutes": ("preview_deadline('all', now(), 'Infinity')", "clock.bad_minutes"),
    "an endless start": ("preview_deadline('all', 'infinity', 1)", "clock.bad_start"),
    "no start": ("preview_deadline('all', null, 1)", "clock.bad_start"),
    "negative days": ("preview_workdays('workdays', now(), -1)", "clock.bad_days"),
    "days without a calendar": ("preview_workdays(null, now(), 1)", "calendar.unknown"),
    "the zone of no calendar": ("calendar_zone('nope')", "calendar.unknown"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_questions_without_an_answer(clock: Connection, case: str) -> None:
    call, key = REFUSED[case]
    with pytest.raises(psycopg.Error) as refusal, as_role(clock, "service_role"):
        clock.execute(f"select public.{call}".encode())
    assert refusal.value.diag.message_primary == key
    assert refusal.value.sqlstate == "PT422"


def test_zone_of_a_calendar(clock: Connection) -> None:
    with as_role(clock, "service_role"):
        zones = clock.execute("select calendar_zone('all'), calendar_zone('ny_day')").fetchone()
    assert zones == ("Asia/Shanghai", "America/New_York")


def test_minutes_between(clock: Connection) -> None:
    row = clock.execute(
        """select private.working_minutes_between(id, %(a)s, %(b)s),
                  private.working_minutes_between(id, %(a)s, %(b)s, tstzmultirange(tstzrange(%(c)s, %(b)s))),
                  private.working_minutes_between(id, %(b)s, %(a)s), private.working_minutes_between(null, %(a)s, %(b)s)
           from calendars where code = 'all'""",
        {"a": at("2026-11-21 23:00"), "b": at("2026-11-22 09:00"), "c": at("2026-11-22 08:30")},
    ).fetchone()
    assert row == (120, 90, 0, 600)


def test_a_change_of_the_calendar_raises_its_version(db: Connection) -> None:
    def versions() -> dict[str, int]:
        return dict(
            db.execute("select code, version from calendars where code in ('all', 'office')").fetchall()
        )

    before = versions()
    db.execute(
        "update calendar_shifts s set closes = 1000 from calendars c where c.id = s.calendar_id and c.code = 'all'"
    )
    db.execute("insert into calendar_days select id, '2026-12-12', '{}' from calendars where code = 'all'")
    db.execute("delete from calendar_days where day = '2026-12-12'")
    assert versions() == {"all": before["all"] + 3, "office": before["office"]}
    db.execute("insert into holiday_years values (2027, '{2027-01-01}', '{}')")
    assert versions() == {"all": before["all"] + 3, "office": before["office"] + 1}


ILLEGAL = {
    "a shift that ends before it begins": "insert into calendar_shifts (calendar_id, weekdays, opens, closes) select id, '{1}', 600, 600 from calendars",
    "a shift longer than a day": "insert into calendar_shifts (calendar_id, weekdays, opens, closes) select id, '{1}', 600, 2041 from calendars",
    "an eighth weekday": "insert into calendar_shifts (calendar_id, weekdays, opens, closes) select id, '{8}', 600, 700 from calendars",
    "a day that begins the day after": "insert into calendar_days select id, '2026-12-12', '{[1500,1600)}' from calendars",
    "a date both closed and worked": "insert into holiday_years values (2027, '{2027-01-01}', '{2027-01-01}')",
    "a date of another year": "insert into holiday_years values (2027, '{2029-01-01}', '{}')",
    "a wall clock with holidays": "insert into calendars (code, name, kind, follows_holidays) values ('x', 'x', 'wall', true)",
}


@pytest.mark.parametrize("case", ILLEGAL)
def test_what_cannot_be_stored(db: Connection, case: str) -> None:
    with pytest.raises(psycopg.errors.CheckViolation):
        db.execute(ILLEGAL[case].encode())


LADDERS: dict[str, Any] = {
    "no list": {"percent": 50},
    "percent and minutes": [{"percent": 50, "minutes": 5, "who": ["owner"], "action": "notify"}],
    "neither": [{"who": ["owner"], "action": "notify"}],
    "nobody": [{"percent": 50, "who": [], "action": "notify"}],
    "somebody unknown": [{"percent": 50, "who": ["boss"], "action": "notify"}],
    "an unknown action": [{"percent": 50, "who": ["owner"], "action": "shout"}],
    "a negative percentage": [{"percent": -5, "who": ["owner"], "action": "notify"}],
}


@pytest.mark.parametrize("case", LADDERS)
def test_a_ladder_that_means_nothing(db: Connection, case: str) -> None:
    with pytest.raises(psycopg.errors.CheckViolation, match="sla_policies_ladder_form"):
        db.execute("update sla_policies set ladder = %s where code = 'order_review'", (Jsonb(LADDERS[case]),))


def test_the_same_on_postgres_17(pg17: Hosted) -> None:
    """Hosted projects run Postgres 17: a sample of every kind of answer there."""
    with psycopg.connect(pg17.owner_url) as conn:
        conn.execute(CALENDARS)
        for case in ("until 24:00 exactly", "across midnight", "office: the week of Spring Festival"):
            calendar, start, minutes, expected = CASES[case]
            assert deadline(conn, calendar, start, minutes) == at(expected)
        calendar, start, minutes, expected = NEW_YORK["autumn, one minute more"]
        assert deadline(conn, calendar, start, minutes) == datetime.fromisoformat(expected)
        assert workdays(conn, "workdays", "2026-09-30 12:00", 5) == at("2026-10-13 24:00")
        with pytest.raises(psycopg.Error, match=r"calendar\.uncovered"):
            deadline(conn, "office", "2026-12-31 17:30", 31)
        conn.rollback()
