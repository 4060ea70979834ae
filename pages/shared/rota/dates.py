"""Which weeks of the rota are shown, and how a date is written."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import streamlit as st

from backend import rota_patterns
from pages.shared import widgets
from pages.shared.frame import User
from pages.shared.i18n import plain, t

_WEEKS = (1, 2, 4)
_START = "rota_start"


@dataclass(frozen=True, slots=True)
class Span:
    """The dates shown: whole weeks from a Monday."""

    start: date
    days: int


def today(user: User) -> date:
    """The date of the person's first shop."""
    return datetime.now(UTC).astimezone(ZoneInfo(user.zone)).date()


def span_choice(user: User) -> Span:
    """Which weeks are shown: back and forth by week, one to four of them."""
    if _START not in st.session_state:
        st.session_state[_START] = _asked_start() or rota_patterns.week_of(today(user))
    start = rota_patterns.week_of(st.session_state[_START])
    with widgets.filter_row("rota"):
        st.button(
            "",
            icon=":material/chevron_left:",
            key="rota_back",
            on_click=_move,
            args=(-7,),
            help=t("rota.back"),
        )
        st.button(t("rota.this_week"), key="rota_this", on_click=_go, args=(today(user),))
        st.button(
            "", icon=":material/chevron_right:", key="rota_on", on_click=_move, args=(7,), help=t("rota.on")
        )
        weeks = st.segmented_control(
            t("rota.weeks"),
            _WEEKS,
            default=1,
            required=True,
            format_func=lambda count: t("rota.weeks_of", count=count),
            key="rota_weeks",
            label_visibility="collapsed",
        )
        end = start + timedelta(days=7 * int(weeks) - 1)
        st.markdown(f"**{start:%Y-%m-%d} – {end:%m-%d}**", width="content")
    return Span(start, 7 * int(weeks))


def _asked_start() -> date | None:
    try:
        return date.fromisoformat(str(st.query_params.get("from", "")))
    except ValueError:
        return None


def _move(days: int) -> None:
    st.session_state[_START] += timedelta(days=days)


def _go(day: date) -> None:
    st.session_state[_START] = day


def head(day: date) -> str:
    """`11-23 周一`."""
    return f"{day:%m-%d} {plain(f'rota.weekday.{day.isoweekday()}')}"
