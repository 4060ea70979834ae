"""Generated rotas (轮休, 大小休) and what a planner should know before saving one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final, Literal

from backend.rota import Cell, Duty, Place, Rota, Shift

Pattern = Literal["rotating", "big_small"]
MOST_IN_A_ROW: Final = 6
"""Working days in a row: the labour law of the PRC, article 38, asks for one day off a week."""
LEAST_REST: Final = 10 * 60
"""Minutes between two shifts of a person (product decision: late until 24:00 is no shift at 08:00)."""


@dataclass(frozen=True, slots=True)
class Group:
    """People who share a shift. `leads`: those who may lead it, best first; the next one is deputy."""

    shift_id: int
    members: tuple[int, ...]
    leads: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Rhythm:
    """How people rest.

    rotating: `work_days` on, `rest_days` off, in turns. big_small: two days off in one week, one in the next;
    with `is_spread` each person has weekdays of his own, else everybody rests at the weekend.
    `swap_weeks`: the groups change shifts every so many weeks; 0: never.
    """

    pattern: Pattern = "rotating"
    work_days: int = 5
    rest_days: int = 2
    is_spread: bool = True
    swap_weeks: int = 0


@dataclass(frozen=True, slots=True)
class Warned:
    """Something to look at: few (`shift`, `count` of `wanted`), no_lead (`shift`), many_days and short_rest
    (`member_id`). Nothing is forbidden by it.
    """

    kind: Literal["few", "no_lead", "many_days", "short_rest"]
    day: date
    shift: Shift | None = None
    member_id: int | None = None
    count: int = 0
    wanted: int = 0


def generate(rota: Rota, groups: Sequence[Group], rhythm: Rhythm) -> dict[Place, Cell]:
    """A cell for each member of the groups on each date of the rota. Leave that is entered stays.

    The rhythm hangs on the calendar, not on the first date: the next two weeks go on where these end.
    """
    wanted: dict[Place, Cell] = {}
    for day in rota.dates:
        for number, group in enumerate(groups):
            shift = rota.shift(_shift_of(groups, number, day, rhythm.swap_weeks))
            working = [
                member
                for place, member in enumerate(group.members)
                if shift
                and day.isoweekday() in shift.weekdays
                and rota.cell(member, day).kind != "leave"
                and not rests(rhythm, day, place, len(group.members))
            ]
            for member in group.members:
                if rota.cell(member, day).kind != "leave":
                    wanted[member, day] = _cell(shift, member, working, group.leads)
    return wanted


def rests(rhythm: Rhythm, day: date, place: int, size: int) -> bool:
    """Whether the person at `place` (from 0) of a group of `size` rests on a date."""
    number = day.toordinal()
    if rhythm.pattern == "rotating":
        length = rhythm.work_days + rhythm.rest_days
        return (number + place * length // max(size, 1)) % length >= rhythm.work_days
    week = (number - 1) // 7  # ordinal 1 was a Monday
    weekday = day.isoweekday()
    is_big = (week + place) % 2 == 0
    last = (6 - place // 2 - place % 2 * 3) % 7 + 1 if rhythm.is_spread else 7
    return weekday == last or (is_big and weekday == (last - 2) % 7 + 1)


def _shift_of(groups: Sequence[Group], number: int, day: date, swap_weeks: int) -> int:
    turns = (day.toordinal() - 1) // 7 // swap_weeks if swap_weeks else 0
    return groups[(number + turns) % len(groups)].shift_id


def _cell(shift: Shift | None, member: int, working: Sequence[int], leads: Sequence[int]) -> Cell:
    if shift is None or member not in working:
        return Cell("rest")
    present = [one for one in leads if one in working]
    is_lead, is_deputy = member in present[:1], member in present[1:2]
    return Cell("work", (Duty(shift.id, shift.name, is_lead, is_deputy),))


# Warnings --------------------------------------------------------------------------------------------------


def warnings(rota: Rota) -> list[Warned]:
    """What a planner should look at, by date: too few people, nobody to lead, no day off, a short night.

    A date on which nobody is planned says nothing.
    """
    found = [*_staffing(rota), *_people(rota)]
    return sorted(found, key=lambda one: (one.day, one.kind, one.shift.id if one.shift else 0))


def staffing(rota: Rota) -> dict[tuple[int, date], list[int]]:
    """Who is planned, by shift and date."""
    found: dict[tuple[int, date], list[int]] = {}
    for (member_id, day), cell in rota.cells.items():
        for duty in cell.duties:
            if duty.shift_id is not None:
                found.setdefault((duty.shift_id, day), []).append(member_id)
    return found


def _staffing(rota: Rota) -> Iterator[Warned]:
    staff = staffing(rota)
    planned = {day for (_, day), cell in rota.cells.items() if cell.kind in ("work", "rest")}
    used = {shift_id for shift_id, _ in staff}
    for day in (one for one in rota.dates if one in planned):
        for shift in rota.shifts:
            if day.isoweekday() not in shift.weekdays:
                continue
            count = len(staff.get((shift.id, day), ()))
            if count < shift.min_staff:
                yield Warned("few", day, shift, count=count, wanted=shift.min_staff)
            if shift.id in used and not _has_lead(rota, shift.id, day):
                yield Warned("no_lead", day, shift)


def _has_lead(rota: Rota, shift_id: int, day: date) -> bool:
    return any(
        duty.shift_id == shift_id and (duty.is_lead or duty.is_deputy)
        for person in rota.people
        for duty in rota.cell(person.id, day).duties
    )


def _people(rota: Rota) -> Iterator[Warned]:
    for person in rota.people:
        in_a_row, before = 0, None
        for day in rota.dates:
            hours = _hours(rota, person.id, day)
            in_a_row = in_a_row + 1 if hours else 0
            if in_a_row == MOST_IN_A_ROW + 1:
                yield Warned("many_days", day, member_id=person.id, count=in_a_row)
            if hours and before is not None and hours[0] + 1440 - before < LEAST_REST:
                yield Warned("short_rest", day, member_id=person.id)
            before = hours[1] if hours else None


def _hours(rota: Rota, member_id: int, day: date) -> tuple[int, int] | None:
    """First and last minute of a person's day, from its 00:00."""
    shifts = [rota.shift(duty.shift_id) for duty in rota.cell(member_id, day).duties]
    known = [shift for shift in shifts if shift is not None]
    return (min(s.opens for s in known), max(s.closes for s in known)) if known else None


def week_of(day: date) -> date:
    """The Monday of a date."""
    return day - timedelta(days=day.weekday())


def counts(wanted: Mapping[Place, Cell]) -> dict[int, tuple[int, int]]:
    """Working days and days off of each person, for a preview."""
    found: dict[int, tuple[int, int]] = {}
    for (member_id, _), cell in wanted.items():
        work, rest = found.get(member_id, (0, 0))
        found[member_id] = (work + (cell.kind == "work"), rest + (cell.kind != "work"))
    return found
