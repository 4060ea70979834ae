"""The list behind the figures: a table on wide windows, cards on narrow ones, a page at a time."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

from backend import deadlines, sla
from backend.deadlines import Line, Wanted
from pages.shared import frame, home_links, messages, widgets
from pages.shared.deadlines import drawer, filters
from pages.shared.format import Due, md
from pages.shared.frame import User
from pages.shared.i18n import locale, plain, t

_COLORS = {
    "overdue": {"light": "#B3261E", "dark": "#F0705E"},
    "due_soon": {"light": "#9A4A06", "dark": "#F0A347"},
    "paused": {"light": "#5F6A66", "dark": "#9AA5A1"},
}
_SHOWN = 50


def draw(asked: Wanted, user: User) -> None:
    """A page of the list, or why there is nothing."""
    st.markdown(f"**{t(f'deadlines.list.{asked.bucket}')}**")
    if asked.bucket == "late" and asked.person:
        st.caption(t("deadlines.late_of_all"))
    lines, following = deadlines.page(frame.client(), asked, limit=_SHOWN)
    if not lines:
        _empty(asked)
        return
    with widgets.wide("deadlines"):
        _table(lines, user)
    with widgets.narrow("deadlines"):
        for one in lines:
            with st.container(border=True, key=f"deadlines_card_{one.id}"):
                line(one, key="list")
    widgets.pager("deadlines", next_cursor=following, shown=len(lines))


def line(one: Line, *, key: str) -> None:
    """A deadline in one row: how it stands, what it is, whose, and the two ways on."""
    with st.container(
        horizontal=True, vertical_alignment="center", gap="small", key=f"deadlines_{key}_{one.id}"
    ):
        owner = one.owner_name or plain("deadlines.person.pool")
        facts = (one.name, _area(one), one.shop_name, owner)
        st.markdown(f"{_chip(one)} {md(' · '.join(facts))}", width="stretch")
        why(one, key=f"deadlines_{key}_why_{one.id}")
        link(one)


def why(one: Line, *, key: str) -> None:
    """The button that explains the deadline."""
    if st.button(t("deadlines.why_short"), icon=":material/help:", type="tertiary", key=key):
        drawer.show(one.id)


def link(one: Line) -> None:
    """The way to the record, where a page of the desk shows it."""
    page, query = messages.target(one.path)
    if not page:
        return
    home_links.link(t("deadlines.open"), page, query=query, icon=":material/open_in_new:")


def due(one: Line) -> Due:
    """How a line stands, in this run's language."""
    if one.bucket == "late":
        return Due("none", "", plain("deadlines.done_at", when=frame.clock(one.stopped_at, one.timezone)))
    state = one.state if one.state in ("paused", "uncovered") else "running"
    reason = sla.reason_words(one.pause_reason, locale()) if one.pause_reason else ""
    return widgets.due_of(one.due_at, state=state, reason=reason)


def _chip(one: Line) -> str:
    return widgets.due_chip(due(one))


def _area(one: Line) -> str:
    return deadlines.area_words(one.area, locale())


def _table(lines: list[Line], user: User) -> None:
    dues = [due(one) for one in lines]
    frame_of = pd.DataFrame([_cells(one, stands) for one, stands in zip(lines, dues, strict=True)])
    theme = "dark" if st.context.theme.type == "dark" else "light"
    colors = [
        f"color: {_COLORS[one.state][theme]}; font-weight: 600" if one.state in _COLORS else ""
        for one in dues
    ]
    text = st.column_config.TextColumn
    widths = {"due": 150, "at": 150, "item": 190, "area": 130, "shop": 130, "owner": 100, "policy": 150}
    event = st.dataframe(
        frame_of.style.apply(lambda _: colors, subset=["due"]),
        hide_index=True,
        key=f"deadlines_table_{st.session_state.get('deadlines_round', 0)}",
        on_select="rerun",
        selection_mode="single-cell",
        height="content",
        alt=plain("deadlines.title"),
        column_config={
            name: text(plain(f"deadlines.column.{name}"), width=width) for name, width in widths.items()
        },
    )
    cells = event["selection"]["cells"]
    if cells:
        st.session_state["deadlines_round"] = st.session_state.get("deadlines_round", 0) + 1
        drawer.show(lines[cells[0][0]].id)
    st.caption(t("deadlines.row_hint"))


def _cells(one: Line, stands: Due) -> dict[str, Any]:
    return {
        "due": stands.text,
        "at": deadlines.show_due(one.due_at, one.timezone),
        "item": one.name,
        "area": _area(one),
        "shop": one.shop_name,
        "owner": one.owner_name or plain("deadlines.person.pool"),
        "policy": one.policy,
    }


def _empty(asked: Wanted) -> None:
    if filters.narrowed():
        box = widgets.empty_state(
            t("deadlines.none_match"),
            t("deadlines.none_match_hint"),
            icon=":material/filter_alt_off:",
            key="deadlines",
        )
        box.button(t("common.clear_filters"), key="deadlines_clear_empty", on_click=filters.clear)
        return
    widgets.empty_state(
        t(f"deadlines.none.{asked.bucket}"),
        t("deadlines.none_hint"),
        icon=":material/task_alt:",
        key="deadlines",
    )
