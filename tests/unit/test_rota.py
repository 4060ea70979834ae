"""The rota as values: patterns, warnings, words of cells, tables in and out."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest

from backend import exports, rota, rota_patterns, rota_table
from backend.errors import AppError
from backend.rota import Cell, Duty, Person, Place, Rota, Shift
from backend.rota_patterns import Group, Rhythm

MONDAY = date(2026, 11, 23)
DAILY = (1, 2, 3, 4, 5, 6, 7)
EARLY = Shift(1, "早班", "早班", "Asia/Shanghai", DAILY, 480, 990, 0)
LATE = Shift(2, "晚班", "晚班", "Asia/Shanghai", DAILY, 960, 1440, 0)
NAMES = ("客服A", "客服B", "客服C", "客服D", "客服E", "客服F", "客服G")


def person(number: int, name: str, **more: Any) -> Person:
    facts = {"staff_no": f"K{number:03}", "role": "agent", "skills": (), "state": "active"} | more
    return Person(number, name, **facts)


def empty(days: int = 14, **more: Any) -> Rota:
    people = tuple(person(number, name) for number, name in enumerate(NAMES, start=1))
    facts: dict[str, Any] = {"people": people, "shifts": (EARLY, LATE), "cells": {}, "versions": {}} | more
    return Rota(MONDAY, days, **facts)


def work(shift: Shift, **more: Any) -> Cell:
    return Cell("work", (Duty(shift.id, shift.name, **more),))


def kinds(wanted: dict[Place, Cell], member: int) -> str:
    """A letter a day: W work, R rest, L leave."""
    days = sorted(day for who, day in wanted if who == member)
    return "".join(wanted[member, day].kind[0].upper() for day in days)


# --- patterns ---


def test_in_turns_everybody_rests_two_of_seven_days_and_no_day_is_empty() -> None:
    wanted = rota_patterns.generate(empty(28), [Group(1, tuple(range(1, 8)))], Rhythm())
    for member in range(1, 8):
        days = kinds(wanted, member)
        assert days.count("R") == 8
        assert "W" * 6 not in days
    staff = Counter(day for (_, day), cell in wanted.items() if cell.kind == "work")
    assert set(staff.values()) == {5}


def test_the_rhythm_goes_on_where_it_ended() -> None:
    group = [Group(1, (1, 2, 3))]
    whole = rota_patterns.generate(empty(28), group, Rhythm(work_days=4, rest_days=1))
    later = replace(empty(14), start=MONDAY + timedelta(days=14))
    rest = rota_patterns.generate(later, group, Rhythm(work_days=4, rest_days=1))
    assert rest == {place: cell for place, cell in whole.items() if place[1] >= later.start}


@pytest.mark.parametrize("is_spread", [True, False])
def test_two_days_off_one_week_and_one_the_next(is_spread: bool) -> None:
    rhythm = Rhythm("big_small", is_spread=is_spread)
    wanted = rota_patterns.generate(empty(28), [Group(1, tuple(range(1, 8)))], rhythm)
    for member in range(1, 8):
        days = kinds(wanted, member)
        weeks = [days[n : n + 7].count("R") for n in range(0, 28, 7)]
        assert weeks in ([2, 1, 2, 1], [1, 2, 1, 2])
    if not is_spread:
        assert all(wanted[1, MONDAY + timedelta(days=n)].kind == "rest" for n in (6, 13, 20, 27))
    else:
        staff = Counter(day for (_, day), cell in wanted.items() if cell.kind == "work")
        assert len(staff) == 28
        assert min(staff.values()) >= 4


def test_groups_swap_their_shifts() -> None:
    groups = [Group(1, (1,)), Group(2, (2,))]
    wanted = rota_patterns.generate(empty(28), groups, Rhythm(work_days=6, rest_days=1, swap_weeks=2))
    shifts = {
        week: {wanted[1, day].duties[0].shift_id for day in _week(week) if wanted[1, day].duties}
        for week in range(4)
    }
    assert all(len(found) == 1 for found in shifts.values())
    assert sorted(found.copy().pop() for found in shifts.values()) == [1, 1, 2, 2]


def _week(number: int) -> list[date]:
    return [MONDAY + timedelta(days=7 * number + n) for n in range(7)]


def test_the_first_of_the_leads_at_work_leads_and_the_next_is_deputy() -> None:
    wanted = rota_patterns.generate(empty(7), [Group(1, (1, 2, 3, 4), leads=(4, 1, 2))], Rhythm())
    for day in _week(0):
        present = [one for one in (4, 1, 2) if wanted[one, day].kind == "work"]
        marks = {one: wanted[one, day].duties[0] for one in present}
        assert [one for one in present if marks[one].is_lead] == present[:1]
        assert [one for one in present if marks[one].is_deputy] == present[1:2]


def test_leave_stays_and_shifts_run_on_their_weekdays_only() -> None:
    cells = {(1, MONDAY): Cell("leave", note="年假")}
    weekdays = replace(EARLY, weekdays=(1, 2, 3, 4, 5))
    found = empty(7, cells=cells, shifts=(weekdays, LATE))
    wanted = rota_patterns.generate(found, [Group(1, (1, 2))], Rhythm(work_days=6, rest_days=1))
    assert (1, MONDAY) not in wanted
    assert all(
        wanted[2, day].kind == "rest" for day in (MONDAY + timedelta(days=5), MONDAY + timedelta(days=6))
    )


# --- warnings ---


def warned(cells: dict[Place, Cell], **more: Any) -> list[tuple[str, date]]:
    return [(one.kind, one.day) for one in rota_patterns.warnings(empty(8, cells=cells, **more))]


def test_too_few_people_and_nobody_to_lead() -> None:
    shifts = (replace(EARLY, min_staff=2), LATE)
    cells = {(1, MONDAY): work(EARLY), (2, MONDAY): Cell("rest")}
    assert warned(cells, shifts=shifts) == [("few", MONDAY), ("no_lead", MONDAY)]
    enough = {(1, MONDAY): work(EARLY, is_lead=True), (2, MONDAY): work(EARLY)}
    assert warned(enough, shifts=shifts) == []
    assert warned({}, shifts=shifts) == []  # nothing is planned: nothing is missing


def test_seven_days_in_a_row_and_a_short_night() -> None:
    row = {(1, MONDAY + timedelta(days=n)): work(EARLY, is_lead=True) for n in range(7)}
    assert warned(row) == [("many_days", MONDAY + timedelta(days=6))]
    night = {
        (1, MONDAY): work(LATE, is_lead=True),
        (1, MONDAY + timedelta(days=1)): work(EARLY, is_lead=True),
    }
    tuesday = MONDAY + timedelta(days=1)
    assert ("short_rest", tuesday) in warned(night)
    assert ("short_rest", tuesday) not in warned(
        {(1, MONDAY): work(EARLY, is_lead=True), (1, tuesday): work(LATE, is_lead=True)}
    )


# --- differences and copies ---


def test_the_difference_knows_the_versions_that_were_read() -> None:
    tuesday = MONDAY + timedelta(days=1)
    found = empty(7, cells={(1, MONDAY): work(EARLY)}, versions={(1, MONDAY): 4})
    changes = rota.difference(
        found, {(2, tuesday): Cell("rest"), (1, MONDAY): Cell("leave"), (3, MONDAY): Cell("open")}
    )
    assert [(c.member_id, c.day, c.version, c.after.kind) for c in changes] == [
        (1, MONDAY, 4, "leave"),
        (2, tuesday, 0, "rest"),
    ]
    assert rota.difference(found, {(1, MONDAY): work(EARLY)}) == []


def test_the_same_instant_in_another_zone_is_no_difference() -> None:
    one = work(EARLY, is_lead=True, lead_until="2026-11-23T20:00:00+08:00")
    other = work(EARLY, is_lead=True, lead_until="2026-11-23T12:00:00+00:00")
    assert rota.difference(empty(7, cells={(1, MONDAY): one}), {(1, MONDAY): other}) == []


def test_a_copied_week_moves_its_nights_and_leaves_leave_alone() -> None:
    before = empty(
        7,
        cells={
            (1, MONDAY): work(LATE, is_lead=True, lead_until="2026-11-24T08:00:00+08:00"),
            (2, MONDAY): Cell("leave"),
            (3, MONDAY): Cell("rest"),
            (4, MONDAY): work(EARLY),
            (5, MONDAY): Cell("work", (Duty(None, "夜班"),)),
        },
    )
    monday = MONDAY + timedelta(days=7)
    after = replace(empty(7, cells={(4, monday): Cell("leave")}), start=monday)
    wanted = rota.copied(before, after)
    assert set(wanted) == {(1, monday), (3, monday)}
    assert wanted[1, monday].duties[0].lead_until == "2026-12-01T08:00:00+08:00"


# --- words ---

CELLS = {
    "休": Cell("rest"),
    " 休息 ": Cell("rest"),
    "OFF": Cell("rest"),
    "请假": Cell("leave"),
    "年假": Cell("leave"),
    "早班": work(EARLY),
    "早": work(EARLY),
    "早班（主）": work(EARLY, is_lead=True),
    "早班 (Lead)": work(EARLY, is_lead=True),
    "晚班(副)": work(LATE, is_deputy=True),
    "早班＋晚班": Cell("work", (Duty(1, "早班"), Duty(2, "晚班"))),
    "早班（主）、晚班": Cell("work", (Duty(1, "早班", is_lead=True), Duty(2, "晚班"))),
    "": Cell("open"),
}


@pytest.mark.parametrize("text", CELLS)
def test_what_a_cell_means(text: str) -> None:
    assert rota_table.parse(text, (EARLY, LATE)).facts == CELLS[text].facts


@pytest.mark.parametrize("lang", ["zh-CN", "en"])
@pytest.mark.parametrize("text", CELLS)
def test_a_cell_in_words_means_the_same(text: str, lang: str) -> None:
    written = rota_table.text(CELLS[text], (EARLY, LATE), lang)
    assert rota_table.parse(written, (EARLY, LATE)).facts == CELLS[text].facts


@pytest.mark.parametrize("lang", ["zh-CN", "en"])
def test_every_choice_of_the_grid_can_be_read(lang: str) -> None:
    choices = rota_table.choices((EARLY, LATE), lang)
    assert len({rota_table.parse(text, (EARLY, LATE)).facts for text in choices}) == len(choices) == 9


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("夜班", "rota.cell.unknown"),
        ("班", "rota.cell.unknown"),
        ("早班（王）", "rota.cell.mark"),
        ("早班+早班", "rota.cell.twice"),
        ("早班+", "rota.cell.unknown"),
        ("=1+1", "rota.cell.unknown"),
        ("((((", "rota.cell.unknown"),
    ],
)
def test_what_means_nothing_is_refused(text: str, key: str) -> None:
    with pytest.raises(rota_table.BadCell) as caught:
        rota_table.parse(text, (EARLY, LATE))
    assert caught.value.key == key


def test_two_shifts_that_begin_alike_are_not_guessed() -> None:
    with pytest.raises(rota_table.BadCell, match=r"ambiguous"):
        rota_table.parse("早", (EARLY, replace(LATE, name="早晚班", label="早晚班")))


def test_a_changed_cell_keeps_its_note_and_its_night() -> None:
    before = Cell(
        "work", (Duty(2, "晚班", is_lead=True, lead_until="2026-11-24T08:00:00+08:00"),), "电话值守"
    )
    assert rota_table.parse("晚班（主）", (EARLY, LATE), before).facts == before.facts
    other = rota_table.parse("晚班", (EARLY, LATE), before)
    assert (other.note, other.duties[0].lead_until) == ("电话值守", None)


# --- tables ---


def test_a_pasted_table() -> None:
    sheet = rota_table.from_text(
        "姓名\t工号\t11-23\t11月24日 周二\t2026/11/25\n客服A\t\t早班（主）\t\t休\n谁\tK002\t晚班\t请假\t晚\n",
        empty(7),
    )
    assert sheet.refusals == ()
    assert (sheet.people, sheet.dates) == (2, (MONDAY, MONDAY + timedelta(1), MONDAY + timedelta(2)))
    kinds_ = {place: cell.kind for place, cell in sheet.wanted.items()}
    assert kinds_ == {
        (1, MONDAY): "work", (1, MONDAY + timedelta(2)): "rest", (2, MONDAY): "work",
        (2, MONDAY + timedelta(1)): "leave", (2, MONDAY + timedelta(2)): "work",
    }  # fmt: skip


def test_what_cannot_be_read_is_named_by_row_and_column_and_the_rest_is_taken() -> None:
    people = (*empty().people, person(8, "客服A"), person(9, "走了", state="off"))
    sheet = rota_table.from_text(
        "姓名,11-23,11-23,12-31\n客服B,早班,晚班,早班\n客服C,白班,,\n客服A,早班,,\n走了,休,,\n没有,休,,\n",
        empty(7, people=people),
    )
    found = [(one.row, one.column, one.key) for one in sheet.refusals]
    assert found == [
        (2, "11-23", "rota.cell.again"),
        (2, "12-31", "rota.cell.outside"),
        (3, "11-23", "rota.cell.unknown"),
        (4, "", "rota.row.namesakes"),
        (5, "", "rota.row.off"),
        (6, "", "rota.row.unknown"),
    ]
    assert set(sheet.wanted) == {(2, MONDAY)}


@pytest.mark.parametrize("raw", ["", "客服A\t早班", "姓名\t2月30日", '"'])
def test_a_table_without_dates_is_refused(raw: str) -> None:
    with pytest.raises(AppError, match=r"rota\.no_dates"):
        rota_table.from_text(raw, empty(7))


def test_too_many_rows_and_too_large_a_file_are_refused() -> None:
    with pytest.raises(AppError, match=r"bulk\.too_many"):
        rota_table.from_text("姓名\t11-23\n" + "客服A\t休\n" * 501, empty(7))
    with pytest.raises(AppError, match=r"rota\.file_large"):
        rota_table.from_file(b"x" * (rota_table.MOST_BYTES + 1), "a.csv", empty(7))


def test_dates_without_a_year_are_the_nearest_ones() -> None:
    december = Rota(date(2026, 12, 28), 7, (person(1, "客服A"),), (EARLY,), {}, {})
    sheet = rota_table.from_text("姓名\t12-31\t1-1\n客服A\t休\t休\n", december)
    assert sheet.dates == (date(2026, 12, 31), date(2027, 1, 1))


@pytest.mark.parametrize("lang", ["zh-CN", "en"])
@pytest.mark.parametrize("ending", ["csv", "xlsx"])
def test_what_goes_out_comes_back(lang: str, ending: str) -> None:
    cells = {
        (number, MONDAY + timedelta(days=day)): cell
        for number, (day, cell) in enumerate(
            enumerate([c for c in CELLS.values() if c.kind != "open"][:7]), start=1
        )
    }
    found = empty(7, cells=cells)
    rows = rota_table.rows_out(found, lang)
    columns = [("name", "姓名"), ("staff_no", "工号"), *((d.isoformat(), d.isoformat()) for d in found.dates)]
    data = exports.write_csv(rows, columns) if ending == "csv" else exports.write_xlsx(rows, columns, "排班")
    sheet = rota_table.from_file(data, f"rota.{ending}", empty(7))
    assert sheet.refusals == ()
    assert {place: cell.facts for place, cell in sheet.wanted.items()} == {
        place: cell.facts for place, cell in cells.items()
    }


# --- what the database tells ---


def screen(**more: Any) -> dict[str, Any]:
    shift = {
        "id": 1, "name": "早班", "calendar": "全部", "timezone": "Asia/Shanghai", "weekdays": list(DAILY),
        "opens": 480, "closes": 990, "min_staff": 0, "is_of_shops": False,
    }  # fmt: skip
    shifts = [
        shift,
        shift | {"id": 2, "calendar": "早班"},
        shift | {"id": 3, "calendar": "美国", "timezone": "America/New_York"},
        shift | {"id": 4, "is_of_shops": True},
    ]
    return {"people": [], "days": [], "shifts": shifts, "campaigns": []} | more


def test_shifts_of_the_same_hours_are_offered_once_the_shops_own_first() -> None:
    found = rota.rota_of(screen(), MONDAY, 7)
    assert [(shift.id, shift.label) for shift in found.shifts] == [(4, "早班"), (3, "早班 美国")]
