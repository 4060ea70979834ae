"""Period, shop, shift and person of the KPI page; the address holds them: `?days=30&shop=2&shift=晚班`.

`?days=2026-08` is a month of its own, as the review meeting links to it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import streamlit as st

from backend.kpi.reads import OFF_SHIFT, Screen
from pages.shared import address, widgets
from pages.shared.frame import User
from pages.shared.i18n import plain, t
from pages.shared.kpi import words

PERIODS = ("1", "7", "30", "month", "last_month", "90", "365")
_ALL = {"shop": None, "agent": None, "shift": None, "code": None}
_USUAL: dict[str, Any] = {"days": "30", **_ALL, "tab": "figures"}
TABS = ("figures", "alerts", "definitions")


def sync(user: User) -> None:
    """Brings the widgets in line with the address, without nonsense."""
    given = {name: st.query_params.get(name, "") for name in _USUAL}
    values: dict[str, Any] = {
        "days": given["days"] if given["days"] in PERIODS or _month(given["days"]) else _USUAL["days"],
        "shop": address.shop(user),
        "agent": given["agent"][:60] or None,
        "shift": given["shift"][:20] or None,
        "code": given["code"][:40] or None,
        "tab": given["tab"] if given["tab"] in TABS else TABS[0],
    }
    if "alert" in st.query_params:
        values["tab"] = "alerts"
    for name, value in values.items():
        st.session_state[f"kpi_{name}"] = value


def value(name: str) -> Any:
    """What is chosen: days, shop, agent, shift, code or tab."""
    return st.session_state.get(f"kpi_{name}")


def days(user: User, period: str | None = None) -> tuple[date, date]:
    """First and last day of the period in the zone of the person's first shop; it ends yesterday, but `1` is
    today, and months are whole."""
    today = datetime.now(ZoneInfo(user.zone)).date()
    chosen = period or value("days") or _USUAL["days"]
    month = today.replace(day=1)
    if whole := _month(chosen):
        return whole, min(_month_end(whole), today)
    if chosen == "1":
        return today, today
    if chosen == "month":
        return month, today
    if chosen == "last_month":
        last = month - timedelta(days=1)
        return last.replace(day=1), last
    return today - timedelta(days=int(chosen)), today - timedelta(days=1)


def _month(text: str) -> date | None:
    """The first day of the month that is named like `2026-08`, None for anything else."""
    if not re.fullmatch(r"20\d\d-(0[1-9]|1[0-2])", text):
        return None
    return date.fromisoformat(f"{text}-01")


def _month_end(first: date) -> date:
    return (first + timedelta(days=31)).replace(day=1) - timedelta(days=1)


def draw(user: User, found: Screen) -> None:
    """The row above the figures."""
    with widgets.filter_row("kpi"):
        st.selectbox(
            t("kpi.period"),
            _with(PERIODS, "days"),
            format_func=lambda name: plain(f"kpi.period.{name}") if name in PERIODS else name,
            key="kpi_days",
            on_change=write,
            width=150,
        )
        widgets.shop_choice(user, t("kpi.shop"), key="kpi_shop", on_change=write)
        if found.shifts:
            _choice("shift", _with((*found.shifts, OFF_SHIFT), "shift"), hint=t("kpi.shift_help"))
        if found.agents:
            _choice("agent", _with(sorted(found.agents), "agent"))


def _choice(name: str, options: tuple[str, ...], *, hint: str | None = None) -> None:
    st.selectbox(
        t(f"kpi.{name}"),
        options,
        index=None,
        placeholder=plain("common.all"),
        format_func=words.scope,
        key=f"kpi_{name}",
        on_change=write,
        width=170,
        help=hint,
    )


def _with(options: Sequence[str], name: str) -> tuple[str, ...]:
    """The options and what the address asks for, though nothing of it may be there."""
    chosen = value(name)
    return tuple(options) if chosen in (None, *options) else (*options, chosen)


def tabs() -> str:
    """The tab that is open."""
    chosen = st.segmented_control(
        t("kpi.tabs"),
        TABS,
        required=True,
        format_func=lambda name: plain(f"kpi.tab.{name}"),
        key="kpi_tab",
        on_change=write,
        label_visibility="collapsed",
    )
    return chosen or TABS[0]


def write() -> None:
    """Keeps the choices in the address."""
    st.query_params.pop("alert", None)
    address.write("kpi", _USUAL)


def open_code(code: str | None) -> None:
    """Opens one KPI, or closes it."""
    st.session_state["kpi_code"] = code
    write()
