"""The body of the deadline overview: figures, groups, trend, the longest overdue, the list."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

import altair as alt
import pandas as pd
import streamlit as st

from backend import deadlines
from backend.deadlines import Figure, Overview, Wanted
from pages.shared import frame, widgets
from pages.shared.deadlines import export, filters, listing
from pages.shared.frame import User
from pages.shared.i18n import locale, plain, t

REFRESH_SECONDS = 30
_GROUPS = ("area", "person", "shop")
_FITTING = 7
_ROUND = "deadlines_round_of_groups"
_SHOWN = ("overdue", "soon", "on_time", "paused")


def body(user: User) -> None:
    """Everything below the heading; it renews itself."""
    filters.sync(user)
    asked = filters.wanted()
    with frame.boundary():
        found = deadlines.overview(frame.client())
        figures = deadlines.narrowed(found.open, asked, user.id)
        counts = deadlines.counts(figures)
        finished = deadlines.by_day(found.finished, asked, found.at.astimezone(ZoneInfo(user.zone)).date())
        _missing(found, counts, user)
        with widgets.filter_row("deadlines"):
            filters.draw(user, found)
            export.draw(user)
        filters.buckets(_tabs(counts, finished))
        if not found.sees_everybody:
            st.caption(t("deadlines.own_and_pool"))
        if found.sees_everybody:
            _charts(figures, finished, user)
        _worst(asked, counts)
        listing.draw(replace(asked, after=filters.cursor(asked)), user)
        if not found.sees_everybody:  # who works through the list finds it first
            _charts(figures, finished, user)


def _tabs(counts: Counter[str], finished: Sequence[tuple[date, int, int]]) -> dict[str, int]:
    late = sum(late for _, _, late in finished)
    return {**counts, "open": sum(counts[name] for name in ("overdue", "soon", "on_time")), "late": late}


def _missing(found: Overview, counts: Counter[str], user: User) -> None:
    """Deadlines that wait for a year's holiday list; only who can import one is asked to."""
    if counts["uncovered"]:
        key = "deadlines.uncovered_manager" if user.has("manager", "admin") else "deadlines.uncovered"
        years = ", ".join(found.missing_years) or "?"
        st.warning(t(key, count=counts["uncovered"], years=years), icon=":material/event_busy:")


# Groups and trend ------------------------------------------------------------------------------------------


def _charts(figures: Sequence[Figure], finished: Sequence[tuple[date, int, int]], user: User) -> None:
    with st.grid(min_column_width=380, gap="medium", key="deadlines_charts"):
        with st.container(border=True, gap="small", height="stretch", key="deadlines_groups"):
            _groups(figures, user)
        with st.container(border=True, gap="small", height="stretch", key="deadlines_trend"):
            _trend(finished)


def _groups(figures: Sequence[Figure], user: User) -> None:
    by = st.segmented_control(
        t("deadlines.by"),
        _GROUPS,
        default="area",
        required=True,
        format_func=lambda name: t(f"deadlines.by.{name}"),
        key="deadlines_by",
        label_visibility="collapsed",
    )
    groups = deadlines.grouped(figures, lambda one: _key(one, by))
    if not groups:
        st.markdown(f":material/task_alt: {t('deadlines.nothing_open')}")
        return
    rows = [
        {"name": _name(key, by, figures, user), **{name: found[name] for name in _SHOWN}}
        for key, found in groups
    ]
    event = st.dataframe(
        pd.DataFrame(rows),
        hide_index=True,
        key=f"deadlines_groups_{by}_{st.session_state.get(_ROUND, 0)}",
        on_select="rerun",
        selection_mode="single-row",
        height="content" if len(rows) <= _FITTING else 290,
        alt=plain(f"deadlines.by.{by}"),
        column_config={
            "name": st.column_config.TextColumn(plain(f"deadlines.filter.{by}"), width=150),
            **{
                name: st.column_config.NumberColumn(plain(f"deadlines.bucket.{name}"), width=70)
                for name in _SHOWN
            },
        },
    )
    picked = event["selection"]["rows"]
    if picked and picked[0] < len(groups):
        _narrow(by, groups[picked[0]][0])
    st.caption(t("deadlines.group_hint"))


def _key(one: Figure, by: str) -> Any:
    return {"area": one.area, "person": one.owner_id, "shop": one.shop_id}[by]


def _name(key: Any, by: str, figures: Sequence[Figure], user: User) -> str:
    if by == "area":
        return deadlines.area_words(key, locale())
    if by == "shop":
        shop = user.shop(key)
        return shop.name if shop else str(key)
    if key is None:
        return plain("deadlines.person.pool")
    return next((one.owner_name for one in figures if one.owner_id == key and one.owner_name), str(key))


def _narrow(by: str, key: Any) -> None:
    """The row that was ticked becomes the filter; the new table has no tick, so that it can be cleared."""
    st.query_params[by] = ("pool" if key is None else str(key)) if by == "person" else str(key)
    st.session_state[_ROUND] = st.session_state.get(_ROUND, 0) + 1
    st.rerun()


def _trend(finished: Sequence[tuple[date, int, int]]) -> None:
    met, late = (sum(day[place] for day in finished) for place in (1, 2))
    st.markdown(f"**{t('deadlines.trend')}**", help=t("deadlines.trend_help"))
    if not met + late:
        st.markdown(f":gray[{t('deadlines.trend_none')}]")
        return
    share = f"{100 * met / (met + late):.1f} %"
    st.caption(t("deadlines.trend_share", share=share, met=met, count=met + late))
    st.altair_chart(_chart(finished), width="stretch")


def _chart(finished: Sequence[tuple[date, int, int]]) -> Any:
    names = (plain("deadlines.met"), plain("deadlines.bucket.late"))
    rows = [
        {"day": f"{day:%m-%d}", "what": name, "count": count, "order": place}
        for day, *pair in finished
        for place, (name, count) in enumerate(zip(names, pair, strict=True))
    ]
    dark = st.context.theme.type == "dark"
    colors = ["#55625E", "#F0705E"] if dark else ["#B9C2BD", "#C2321F"]
    color = alt.Color(
        "what:N",
        scale=alt.Scale(domain=list(names), range=colors),
        legend=alt.Legend(orient="bottom", title=None, offset=0, padding=0),
    )
    bars = (
        alt.Chart(pd.DataFrame(rows))
        .mark_bar()
        .encode(
            x=alt.X("day:O", title=None, axis=alt.Axis(labelAngle=0, labelOverlap="parity")),
            y=alt.Y("count:Q", title=None, stack="zero", axis=alt.Axis(tickMinStep=1, grid=False)),
            order=alt.Order("order:O", sort="descending"),
            color=color,
            tooltip=[
                alt.Tooltip("day:O", title=plain("deadlines.day")),
                alt.Tooltip("what:N", title=" "),
                "count:Q",
            ],
        )
    )
    return bars.properties(height=220)


# The longest overdue ---------------------------------------------------------------------------------------


def _worst(asked: Wanted, counts: Counter[str]) -> None:
    """Five lines; nothing where the list below shows the same."""
    if not counts["overdue"] or asked.bucket == "overdue":
        return
    lines = deadlines.worst(frame.client(), asked)
    with st.container(border=True, gap="xsmall", key="deadlines_worst"):
        st.markdown(f"**{t('deadlines.worst')}**")
        for line in lines:
            listing.line(line, key="worst")
