"""排班: who works when. Reads the rota, compares it with what a planner wants, and saves the difference.

A cell is what one person does on one date. Patterns are in :mod:`backend.rota_patterns`, tables of people ×
days (grid, files, pasted text) in :mod:`backend.rota_table`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Any, Final, Literal
from uuid import UUID

from supabase import Client

from backend import db

Kind = Literal["work", "rest", "leave", "open"]
Source = Literal["edited", "generated", "imported", "copied"]
MOST_DAYS: Final = 62
Place = tuple[int, date]
"""A person and a date."""


@dataclass(frozen=True, slots=True)
class Shift:
    """A shift that can be planned; minutes from 00:00, in the zone of its calendar. `label` is unique.

    `is_of_shops`: of the calendars by which the shops shown work.
    """

    id: int
    name: str
    label: str
    timezone: str
    weekdays: tuple[int, ...]
    opens: int
    closes: int
    min_staff: int
    is_of_shops: bool = True


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody of my shops. `state` is invited, active or off."""

    id: int
    name: str
    staff_no: str | None
    role: str
    skills: tuple[str, ...]
    state: str


@dataclass(frozen=True, slots=True)
class Duty:
    """A shift of a working day. `lead_until`: the lead or deputy answers until then (ISO), not to the end.

    `shift_id` is None for a shift that no longer exists; its `name` stays.
    """

    shift_id: int | None
    name: str
    is_lead: bool = False
    is_deputy: bool = False
    lead_until: str | None = None


@dataclass(frozen=True, slots=True)
class Cell:
    """What a person does on a date: work (with shifts), rest, leave, or open: not planned."""

    kind: Kind
    duties: tuple[Duty, ...] = ()
    note: str = ""

    @property
    def facts(self) -> tuple[Any, ...]:
        """What makes two cells the same: everything but the names of shifts."""
        shifts = {(d.shift_id, d.is_lead, d.is_deputy, _instant(d.lead_until)) for d in self.duties}
        return self.kind, frozenset(shifts), self.note


OPEN: Final = Cell("open")


@dataclass(frozen=True, slots=True)
class Rota:
    """The rota of some shops for `days` days from `start`. A place without a cell was never planned."""

    start: date
    days: int
    people: tuple[Person, ...]
    shifts: tuple[Shift, ...]
    cells: Mapping[Place, Cell]
    versions: Mapping[Place, int]
    campaigns: tuple[Mapping[str, Any], ...] = ()

    @property
    def dates(self) -> list[date]:
        """The dates shown."""
        return [self.start + timedelta(days=n) for n in range(self.days)]

    def cell(self, member_id: int, day: date) -> Cell:
        """What a person does on a date."""
        return self.cells.get((member_id, day), OPEN)

    def shift(self, shift_id: int | None) -> Shift | None:
        """A shift that can be planned, by id."""
        return next((shift for shift in self.shifts if shift.id == shift_id), None)


@dataclass(frozen=True, slots=True)
class Change:
    """One day that a planner changes; `version` is the one that was read (0: never planned)."""

    member_id: int
    day: date
    version: int
    before: Cell
    after: Cell


@dataclass(frozen=True, slots=True)
class OnDuty:
    """Who is on duty now. `leads`: who answers (by rota, or the managers when nobody leads).

    `is_planned` is False while opening hours decide because no rota is kept for this day.
    """

    people: tuple[Mapping[str, Any], ...]
    leads: tuple[Mapping[str, Any], ...]
    is_planned: bool
    campaign: str | None = None


# Reading and saving ----------------------------------------------------------------------------------------


def read(client: Client, start: date, days: int, shop_id: int | None = None) -> Rota:
    """The rota of my shops, or of one. Raises AppError calendar.bad_day (at most 62 days), shop.none."""
    found = db.rpc(client, "rota_screen", p_from=start.isoformat(), p_days=days, p_shop_id=shop_id)
    return rota_of(found, start, days)


def rota_of(found: Mapping[str, Any], start: date, days: int) -> Rota:
    """What `rota_screen` answers, as values."""
    places = {(row["member_id"], date.fromisoformat(row["day"])): row for row in found["days"]}
    return Rota(
        start=start,
        days=days,
        people=tuple(Person(**{**row, "skills": tuple(row["skills"])}) for row in found["people"]),
        shifts=_shifts(found["shifts"]),
        cells={place: _cell(row) for place, row in places.items()},
        versions={place: row["version"] for place, row in places.items()},
        campaigns=tuple(found["campaigns"]),
    )


def on_duty(client: Client, shop_id: int | None = None) -> OnDuty:
    """Who is on duty now in a shop, or in any of mine; the database decides."""
    found = db.rpc(client, "on_duty", p_shop_id=shop_id)
    return OnDuty(tuple(found["people"]), tuple(found["leads"]), found["is_planned"], found["campaign"])


def save(client: Client, changes: Sequence[Change], *, source: Source, request_id: UUID) -> int:
    """Saves all changes or none and returns their number.

    Raises AppError rota.stale (who, at, name, day, count) when somebody was faster, and rota.* for what
    cannot be planned.
    """
    cells = [payload(change) for change in changes]
    answer = db.command(client, "save_rota", p_cells=cells, p_source=source, request_id=request_id)
    return int(answer["changed"])


def payload(change: Change) -> dict[str, Any]:
    """A change as `save_rota` takes it."""
    return {
        "member_id": change.member_id,
        "day": change.day.isoformat(),
        "version": change.version,
        "kind": change.after.kind,
        "note": change.after.note,
        "shifts": [
            {
                "id": duty.shift_id,
                "is_lead": duty.is_lead,
                "is_deputy": duty.is_deputy,
                "lead_until": duty.lead_until,
            }
            for duty in change.after.duties
        ],
    }


def difference(rota: Rota, wanted: Mapping[Place, Cell]) -> list[Change]:
    """The days on which `wanted` differs from the rota, by date and then as people are listed."""
    order = {person.id: number for number, person in enumerate(rota.people)}
    changes = [
        Change(member_id, day, rota.versions.get((member_id, day), 0), rota.cell(member_id, day), cell)
        for (member_id, day), cell in wanted.items()
        if cell.facts != rota.cell(member_id, day).facts
    ]
    return sorted(changes, key=lambda change: (change.day, order.get(change.member_id, 0)))


def applied(rota: Rota, wanted: Mapping[Place, Cell]) -> Rota:
    """The rota as it would be with `wanted` in it: for previews and their warnings."""
    return replace(rota, cells={**rota.cells, **wanted})


def copied(source: Rota, target: Rota) -> dict[Place, Cell]:
    """The days of `source` moved to the dates of `target`. Leave stays where it is, and so do its days."""
    shift = target.start - source.start
    people = {person.id for person in target.people if person.state != "off"}
    wanted: dict[Place, Cell] = {}
    for (member_id, day), cell in source.cells.items():
        place = (member_id, day + shift)
        is_kept = cell.kind in ("leave", "open") or target.cell(*place).kind == "leave"
        if member_id in people and place[1] in target.dates and not is_kept:
            wanted[place] = Cell(cell.kind, _moved(cell.duties, shift, target))
    return {place: cell for place, cell in wanted.items() if cell.kind != "work" or cell.duties}


def _moved(duties: Sequence[Duty], shift: timedelta, target: Rota) -> tuple[Duty, ...]:
    return tuple(
        Duty(
            duty.shift_id,
            duty.name,
            duty.is_lead,
            duty.is_deputy,
            (datetime.fromisoformat(duty.lead_until) + shift).isoformat() if duty.lead_until else None,
        )
        for duty in duties
        if target.shift(duty.shift_id)
    )


def _cell(row: Mapping[str, Any]) -> Cell:
    duties = tuple(
        Duty(one["id"], one["name"], one["is_lead"], one["is_deputy"], one["lead_until"])
        for one in row["shifts"]
    )
    return Cell(row["kind"], duties, row["note"])


def _instant(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


@dataclass(slots=True)
class _Labels:
    """Hands out a label per shift: its name, with the calendar's where two of one name differ in hours."""

    taken: dict[str, tuple[Any, ...]] = field(default_factory=dict)

    def label(self, row: Mapping[str, Any]) -> str | None:
        """None for a shift that is listed already under another calendar."""
        hours = (row["timezone"], tuple(row["weekdays"]), row["opens"], row["closes"])
        for label in (row["name"], f"{row['name']} {row['calendar']}", f"{row['name']} {row['id']}"):
            if label not in self.taken:
                self.taken[label] = hours
                return str(label)
            if self.taken[label] == hours:
                return None
        return None


def _shifts(rows: Sequence[Mapping[str, Any]]) -> tuple[Shift, ...]:
    """Those of the shops' own calendars first; the same hours under the same name count once."""
    labels = _Labels()
    found = []
    for row in sorted(rows, key=lambda one: not one["is_of_shops"]):
        label = labels.label(row)
        if label:
            shown = {
                name: row[name]
                for name in ("id", "name", "timezone", "opens", "closes", "min_staff", "is_of_shops")
            }
            found.append(Shift(**shown, label=label, weekdays=tuple(row["weekdays"])))
    return tuple(found)
