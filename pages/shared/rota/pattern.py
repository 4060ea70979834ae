"""The inputs of a generated rota: the rhythm of rest, and who shares which shift."""

from __future__ import annotations

from collections import Counter

import streamlit as st

from backend.rota import Person, Rota, Shift
from backend.rota_patterns import Group, Rhythm
from pages.shared import widgets
from pages.shared.format import md
from pages.shared.frame import User
from pages.shared.i18n import plain, t

_PLANNED = ("agent", "manager", "operations", "warehouse")


def inputs(found: Rota, user: User, history: Rota) -> tuple[list[Group], Rhythm]:
    """The groups (those with members only) and the rhythm that a planner chose.

    `history` tells who shared a shift so far, and who led it: that is proposed.
    """
    st.caption(t("rota.generate_text", start=f"{found.dates[0]:%m-%d}", end=f"{found.dates[-1]:%m-%d}"))
    rhythm = _rhythm()
    groups: list[Group] = []
    people = [one for one in found.people if one.state != "off" and one.role in _PLANNED]
    shifts = [shift for shift in found.shifts if _is_offered(shift, found)]
    proposed = _proposed(history, people, shifts)
    with st.grid(min_column_width=320, gap="small", key="rota_groups"):
        for shift in shifts:
            taken = {member for group in groups for member in group.members}
            groups.append(_group(shift, found, people, taken, proposed[shift.id]))
    return [group for group in groups if group.members], rhythm


def _proposed(history: Rota, people: list[Person], shifts: list[Shift]) -> dict[int, Group]:
    """Everybody where he worked most; on a first day managers and agents by turns, managers leading."""
    if not history.cells:
        turns = [one for one in people if one.role in ("manager", "agent")]
        teams = {shift.id: turns[number :: len(shifts)] for number, shift in enumerate(shifts)}
        return {
            shift_id: Group(
                shift_id, tuple(p.id for p in team), tuple(p.id for p in team if p.role == "manager")
            )
            for shift_id, team in teams.items()
        }
    worked = Counter(
        (member_id, duty.shift_id) for (member_id, _), cell in history.cells.items() for duty in cell.duties
    )
    usual = {
        person.id: max((worked[person.id, shift.id], shift.id) for shift in shifts)
        for person in people
        if shifts
    }
    return {
        shift.id: Group(
            shift.id,
            tuple(p.id for p in people if usual[p.id] >= (1, 0) and usual[p.id][1] == shift.id),
            tuple(_leads(history, shift.id)),
        )
        for shift in shifts
    }


def _is_offered(shift: Shift, found: Rota) -> bool:
    """Shifts of the shops' own calendars, and those on which somebody is planned already."""
    used = {duty.shift_id for cell in found.cells.values() for duty in cell.duties}
    return shift.is_of_shops or shift.id in used


def _rhythm() -> Rhythm:
    with widgets.filter_row("rota_rhythm"):
        pattern = st.segmented_control(
            t("rota.pattern"),
            ("rotating", "big_small"),
            default="rotating",
            required=True,
            format_func=lambda name: t(f"rota.pattern.{name}"),
            key="rota_pattern",
            help=t("rota.pattern_help"),
        )
        work, rest, is_spread = 5, 2, True
        if pattern == "rotating":
            work = int(st.number_input(t("rota.work_days"), 1, 6, 5, key="rota_work", width=130))
            rest = int(st.number_input(t("rota.rest_days"), 1, 4, 2, key="rota_rest", width=130))
        else:
            is_spread = st.toggle(t("rota.spread"), value=True, key="rota_spread", help=t("rota.spread_help"))
        swap = st.selectbox(
            t("rota.swap"),
            (0, 1, 2, 4),
            format_func=lambda weeks: (
                plain("rota.swap_weeks", count=weeks) if weeks else plain("rota.swap_never")
            ),
            key="rota_swap",
            width=180,
        )
    return Rhythm(pattern, work, rest, is_spread, int(swap))


def _group(shift: Shift, found: Rota, people: list[Person], taken: set[int], proposed: Group) -> Group:
    names = {person.id: person.name for person in people if person.id not in taken}
    key = f"rota_group_{shift.id}_{found.start}_{len(taken)}"
    with st.container(border=True, key=f"{key}_box", gap="small"):
        st.markdown(f"**{md(shift.label)}**")
        members = st.multiselect(
            t("rota.members"),
            list(names),
            default=[one for one in proposed.members if one in names],
            format_func=lambda number: names[number],
            key=key,
            placeholder=plain("rota.members_choose"),
        )
        leads = st.multiselect(
            t("rota.leads"),
            members,
            default=[one for one in proposed.leads if one in members],
            format_func=lambda number: names[number],
            key=f"{key}_leads_{len(members)}",
            placeholder=plain("rota.leads_choose"),
            help=t("rota.leads_help"),
        )
    return Group(shift.id, tuple(members), tuple(leads))


def _leads(history: Rota, shift_id: int) -> list[int]:
    """Leads of the shift so far, then deputies."""
    marks: dict[int, int] = {}
    for (member_id, _), cell in history.cells.items():
        for duty in cell.duties:
            if duty.shift_id == shift_id and (duty.is_lead or duty.is_deputy):
                marks[member_id] = min(marks.get(member_id, 2), 1 if duty.is_lead else 2)
    return sorted(marks, key=lambda member: (marks[member], member))
