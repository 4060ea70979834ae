"""One person on one date: shifts, lead or deputy, until when (nights), leave, and a note."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, time, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

import streamlit as st

from backend.rota import Cell, Duty, Rota
from pages.shared.format import md
from pages.shared.frame import User
from pages.shared.i18n import plain, t
from pages.shared.rota import plan
from pages.shared.rota.dates import head, today

_KINDS = ("work", "rest", "leave", "open")
_PARTS = ("none", "lead", "deputy")
Part = Literal["none", "lead", "deputy"]


def editor(found: Rota, user: User) -> None:
    """An expander to plan one person's date, for what a cell of the grid cannot say."""
    with st.expander(t("rota.one_day"), icon=":material/edit_calendar:", key="rota_one_day"):
        people = {person.id: person.name for person in found.people}
        with st.container(horizontal=True, vertical_alignment="bottom"):
            member_id = st.selectbox(
                t("rota.person"),
                list(people),
                format_func=lambda number: people[number],
                key="rota_one_person",
                width=200,
            )
            dates = found.dates
            now = today(user)
            day = st.selectbox(
                t("rota.day"),
                dates,
                index=dates.index(now) if now in dates else 0,
                format_func=head,
                key=f"rota_one_date_{found.start}_{found.days}",
                width=200,
            )
        cell = _inputs(found, member_id, day)
        if cell is not None:
            plan.proposal(found, {(member_id, day): cell}, source="edited", key="one")


def _inputs(found: Rota, member_id: int, day: date) -> Cell | None:
    """The cell as chosen; None while it is not complete."""
    before = found.cell(member_id, day)
    key = f"rota_one_{member_id}_{day}_{found.versions.get((member_id, day), 0)}_{plan.round_number()}"
    kind = st.segmented_control(
        t("rota.kind"),
        _KINDS,
        default=before.kind,
        required=True,
        format_func=lambda name: t(f"rota.kind.{name}"),
        key=f"{key}_kind",
    )
    note = st.text_input(
        t("rota.note"), before.note, max_chars=200, key=f"{key}_note", help=t("rota.note_help")
    ).strip()
    if kind != "work":
        return Cell(kind, note=note)
    labels = {shift.id: shift.label for shift in found.shifts}
    chosen = st.pills(
        t("rota.shifts"),
        list(labels),
        selection_mode="multi",
        default=[duty.shift_id for duty in before.duties if duty.shift_id in labels],
        format_func=lambda number: md(labels[number]),
        key=f"{key}_shifts",
    )
    if not chosen:
        st.caption(t("rota.choose_shift"))
        return None
    return Cell("work", tuple(_duty(found, before, day, shift_id, key) for shift_id in chosen), note)


def _duty(found: Rota, before: Cell, day: date, shift_id: int, key: str) -> Duty:
    shift = found.shift(shift_id)
    old = next((duty for duty in before.duties if duty.shift_id == shift_id), None)
    name = shift.name if shift else ""
    was: Part = "lead" if old and old.is_lead else "deputy" if old and old.is_deputy else "none"
    with st.container(horizontal=True, vertical_alignment="bottom"):
        part = st.segmented_control(
            t("rota.part", shift=shift.label if shift else ""),
            _PARTS,
            default=was,
            required=True,
            format_func=lambda one: t(f"rota.part.{one}"),
            key=f"{key}_{shift_id}_part",
        )
        duty = Duty(shift_id, name, part == "lead", part == "deputy")
        if part == "none" or shift is None:
            return duty
        zone = ZoneInfo(shift.timezone)
        begin = datetime.combine(day, time(), zone) + timedelta(minutes=shift.opens)
        until = _until(old, begin, zone, key=f"{key}_{shift_id}_until")
    return replace(duty, lead_until=until.isoformat() if until else None)


def _until(old: Duty | None, begin: datetime, zone: ZoneInfo, *, key: str) -> datetime | None:
    """Half hours after the begin of the shift, up to 36 hours; nothing chosen: until its end."""
    ends = [begin + timedelta(minutes=30 * n) for n in range(1, 73)]
    known = datetime.fromisoformat(old.lead_until).astimezone(zone) if old and old.lead_until else None
    if known and known not in ends:
        ends = sorted([*ends, known])
    return st.selectbox(
        t("rota.lead_until"),
        ends,
        index=ends.index(known) if known else None,
        format_func=lambda end: f"{end:%m-%d %H:%M}",
        placeholder=plain("rota.lead_until_end"),
        key=key,
        help=t("rota.lead_until_help"),
        width=220,
    )
