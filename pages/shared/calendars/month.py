"""A month of a calendar: open hours of each date, holidays, make-up workdays, and dates with own hours."""

from __future__ import annotations

import calendar as months
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pandas as pd
import streamlit as st

from backend import calendars
from backend.calendars import Calendar, Day, Screen
from pages.shared import frame, widgets
from pages.shared.calendars import effects
from pages.shared.format import md
from pages.shared.frame import User
from pages.shared.i18n import plain, t
from pages.shared.rota.dates import head

_MONTH = "calendars_month"
_TINTS = {
    "unknown": "background-color: rgba(208, 50, 31, .14)",
    "holiday": "background-color: rgba(128, 128, 128, .22)",
    "makeup": "background-color: rgba(40, 110, 220, .16)",
    "own": "background-color: rgba(224, 148, 20, .20)",
    "campaign": "background-color: rgba(224, 148, 20, .20)",
}


def draw(found: Screen, user: User) -> None:
    """The month, and for managers the form for a single date."""
    with widgets.filter_row("calendars_month"):
        chosen = effects.choice(found, key="calendar_month")
        first = _month_choice(chosen)
    last = months.monthrange(first.year, first.month)[1]
    days = calendars.month(frame.client(), chosen.code, first, last)
    open_minutes = sum(closes - opens for day in days for opens, closes in day.hours)
    open_days = sum(1 for day in days if day.hours)
    st.caption(t("calendars.month_sum", days=open_days, hours=f"{open_minutes / 60:g}"))
    with widgets.wide("calendars_month"):
        _grid(days, first)
    with widgets.narrow("calendars_month"):
        _list(days)
    st.caption(t("calendars.legend"))
    if user.has("manager", "admin"):
        _own_hours(chosen, days)


def _month_choice(chosen: Calendar) -> date:
    today = datetime.now(UTC).astimezone(ZoneInfo(chosen.timezone)).date()
    first = st.session_state.setdefault(_MONTH, today.replace(day=1))
    st.button(
        "",
        icon=":material/chevron_left:",
        key="calendars_before",
        on_click=_move,
        args=(-1,),
        help=t("calendars.before"),
    )
    st.markdown(f"**{first:%Y-%m}**", width="content")
    st.button(
        "",
        icon=":material/chevron_right:",
        key="calendars_after",
        on_click=_move,
        args=(1,),
        help=t("calendars.after"),
    )
    found: date = first
    return found


def _move(step: int) -> None:
    first: date = st.session_state[_MONTH]
    other = first - timedelta(days=1) if step < 0 else first + timedelta(days=31)
    st.session_state[_MONTH] = other.replace(day=1)


def mark_of(day: Day) -> str:
    """Why a date is not like the others: unknown, campaign, own, holiday, makeup, or nothing."""
    if not day.is_known:
        return "unknown"
    if day.campaign:
        return "campaign"
    if day.is_own:
        return "own"
    return "holiday" if day.is_holiday else "makeup" if day.is_makeup else ""


def words(day: Day) -> str:
    """`23 休`, hours and the reason. Plain text."""
    mark = mark_of(day)
    why = day.campaign or (plain(f"calendars.mark.{mark}") if mark else "")
    hours = calendars.hours_text(day.hours) if day.hours else plain("calendars.closed")
    if mark == "unknown":
        hours = ""
    return " · ".join(part for part in (f"{day.day.day} {why}".strip(), hours, day.note) if part)


def _grid(days: Sequence[Day], first: date) -> None:
    weeks: list[list[str]] = []
    tints: list[list[str]] = []
    for week in months.Calendar().monthdatescalendar(first.year, first.month):
        row = [next((day for day in days if day.day == date_), None) for date_ in week]
        weeks.append([words(day) if day else "" for day in row])
        tints.append([_TINTS.get(mark_of(day), "") if day else "" for day in row])
    names = [plain(f"rota.weekday.{number}") for number in range(1, 8)]
    table = pd.DataFrame(weeks, columns=names)
    styled = table.style.apply(lambda _: pd.DataFrame(tints, columns=names), axis=None)
    st.dataframe(
        styled,
        hide_index=True,
        key="calendars_grid",
        row_height=64,
        height="content",
        alt=plain("calendars.view.month"),
    )


def _list(days: Sequence[Day]) -> None:
    """Narrow windows: a line a date."""
    lines = []
    for day in days:
        told = words(day).split(" · ")
        why = told[0].partition(" ")[2]
        lines.append(f"{head(day.day)} · {md(' · '.join(part for part in (*told[1:], why) if part))}")
    st.markdown("  \n".join(lines))


def _own_hours(chosen: Calendar, days: Sequence[Day]) -> None:
    with st.expander(t("calendars.own"), icon=":material/edit_calendar:", key="calendars_own"):
        st.caption(t("calendars.own_text"))
        known = {day.day: day for day in days}
        with widgets.filter_row("calendars_own"):
            picked = st.selectbox(
                t("rota.day"),
                list(known),
                format_func=head,
                key=f"calendars_own_day_{chosen.id}_{days[0].day}",
                width=170,
            )
            key = f"calendars_own_{chosen.id}_{picked}_{chosen.version}"
            kind = st.segmented_control(
                t("calendars.own_kind"),
                ("hours", "closed", "usual"),
                default="hours" if known[picked].hours else "closed",
                required=True,
                format_func=lambda name: t(f"calendars.own.{name}"),
                key=f"{key}_kind",
            )
            hours = calendars.hours_text(known[picked].hours)
            if kind == "hours":
                hours = st.text_input(
                    t("calendars.hours"), hours, key=f"{key}_hours", help=t("calendars.hours_help"), width=240
                )
            note = st.text_input(
                t("rota.note"), known[picked].note, max_chars=60, key=f"{key}_note", width=200
            )
        with frame.boundary():
            spans = {"hours": lambda: calendars.parse_hours(hours), "closed": tuple, "usual": lambda: None}[
                kind
            ]()
            change = calendars.day_change(chosen.code, picked, spans, note.strip())
            effects.ask(
                "day",
                change,
                calendars.set_day,
                key=key,
                saved=t("calendars.day_saved", day=f"{picked:%m-%d}"),
            )
