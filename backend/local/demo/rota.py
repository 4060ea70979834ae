"""The demo's rota: early and late shift in turns, 主管A and 主管B lead, one person on leave."""

from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import date, timedelta
from typing import Final

from supabase import Client

from backend import calendars, rota, rota_patterns
from backend.rota import Cell, Rota
from backend.rota_patterns import Group, Rhythm

EARLY: Final = ("M002", "K001", "K002", "K004", "Y001")
LATE: Final = ("M003", "K003", "K005", "K006", "Y002")
LEADS: Final = {"早班": ("M002", "K004"), "晚班": ("M003", "K005")}
ON_LEAVE: Final = "K002"
LEAST: Final = 2
WEEKS_AHEAD: Final = 2


def plan(manager: Client, first: date, today: date) -> None:
    """Plans from `first` to two weeks after `today`; the third day from today on, one person is on leave."""
    _ask_for_two(manager)
    found = rota.read(manager, first, (today - first).days + 7 * WEEKS_AHEAD + 1)
    wanted = rota_patterns.generate(found, _groups(found), Rhythm())
    _save(manager, found, wanted, "generated")
    found = rota.read(manager, first, found.days)
    days = [today + timedelta(days=n) for n in (2, 3)]
    member = _ids(found)[ON_LEAVE]
    _save(manager, found, {(member, day): Cell("leave") for day in days}, "edited")


def _ask_for_two(manager: Client) -> None:
    """Two people a shift at least: fewer is a warning on the rota."""
    found = calendars.screen(manager)
    every = next(one for one in found.calendars if one.code == "all")
    shifts = [replace(shift, min_staff=LEAST) for shift in every.shifts]
    change = calendars.calendar_change(every, shifts)
    calendars.save_calendar(manager, change, request_id=uuid.uuid4())


def _groups(found: Rota) -> list[Group]:
    """Early and late, in the order in which the page lists people: so it goes on with the same rhythm."""
    ids, shifts = _ids(found), {shift.label: shift.id for shift in found.shifts}
    teams = (("早班", EARLY), ("晚班", LATE))
    return [
        Group(shifts[label], tuple(ids[who] for who in team), tuple(ids[who] for who in LEADS[label]))
        for label, team in teams
    ]


def _ids(found: Rota) -> dict[str, int]:
    return {person.staff_no: person.id for person in found.people if person.staff_no}


def _save(manager: Client, found: Rota, wanted: dict[rota.Place, Cell], source: rota.Source) -> None:
    changes = rota.difference(found, wanted)
    rota.save(manager, changes, source=source, request_id=uuid.uuid4())
