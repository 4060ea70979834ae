"""统计: where words slip in, whose texts need help, which words come up, and what is still unresolved."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import altair as alt
import pandas as pd
import streamlit as st

from backend.compliance import reads
from pages.shared import address, frame, home_links, widgets
from pages.shared.frame import User
from pages.shared.i18n import plain, t
from pages.shared.words import wording

_DAYS = (7, 30, 90, 365)
_USUAL = {"days": 30, "shop": None}
_AGES = ("day", "three_days", "week", "older")
_COLORS = {"light": ("#C2321F", "#D9A441"), "dark": ("#F0705E", "#E3A93B")}
_BARS = 12


def draw(user: User) -> None:
    """Figures and charts of a period, for all my shops or one."""
    days, shop_id = _period(user)
    with frame.boundary():
        until = datetime.now(UTC)
        found = reads.insight(frame.client(), until - timedelta(days=days), until, shop_id=shop_id)
        _unresolved(found["unresolved"])
        if not found["total"]:
            widgets.empty_state(
                t("words.insight.none"),
                t("words.insight.none_hint"),
                icon=":material/insights:",
                key="words_insight",
            )
            return
        _figures(found)
        _charts(found, until.date(), days)


def _period(user: User) -> tuple[int, int | None]:
    given = address.number("days")
    names = {one.id: one.name for one in user.shops}
    st.session_state["words_days"] = given if given in _DAYS else _USUAL["days"]
    st.session_state["words_shop"] = address.shop(user)
    with widgets.filter_row("words_insight"):
        days = st.selectbox(
            t("words.insight.days"),
            _DAYS,
            format_func=lambda count: plain("words.insight.last", count=count),
            key="words_days",
            on_change=_write,
            width=160,
        )
        shop_id = widgets.choice(
            t("words.shop"),
            list(names),
            lambda number: names[number],
            key="words_shop",
            on_change=_write,
            width=180,
        )
    return days, shop_id


def _write() -> None:
    address.write("words", _USUAL)


def _unresolved(found: Mapping[str, Any]) -> None:
    """What must not stay: blocks that are still in a text, by age."""
    with st.container(border=True, gap="xsmall", key="words_unresolved"):
        st.markdown(f"**{t('words.insight.unresolved')}**", help=t("words.insight.unresolved_help"))
        if not found["count"]:
            st.markdown(f":material/task_alt: {t('words.insight.resolved')}")
            return
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            for age in _AGES:
                if found[age]:
                    color = "red" if age in ("week", "older") else "gray"
                    st.markdown(f":{color}-badge[{plain(f'words.age.{age}')} {found[age]}]", width="content")
            st.caption(t("words.insight.oldest", at=frame.clock(found["oldest"])), width="content")
            home_links.link(t("words.goods.open"), "listings", query={"verdict": "block", "tab": "all"})


def _figures(found: Mapping[str, Any]) -> None:
    with st.container(horizontal=True, gap="medium", key="words_figures"):
        for name in ("total", "block", "replaced", "released"):
            st.metric(
                t(f"words.figure.{name}"), f"{found[name]:,}", help=t(f"words.figure.{name}_help"), width=170
            )


def _charts(found: Mapping[str, Any], until: date, days: int) -> None:
    pairs: Sequence[tuple[str, Callable[[], None]]] = (
        ("trend", lambda: _trend(found["trend"], until, days)),
        (
            "category",
            lambda: _bars(found["by_category"], lambda row: wording.name_of("category", row["category"])),
        ),
        ("term", lambda: _bars(found["top_terms"], lambda row: row["term"], rest="replaced")),
        ("shop", lambda: _bars(found["by_shop"], lambda row: row["shop_name"])),
        (
            "author",
            lambda: _bars(found["by_author"], lambda row: row["author"] or plain("words.insight.system")),
        ),
        ("exempt", lambda: _reasons(found["exemption_reasons"])),
    )
    left, right = st.columns(2, gap="medium")
    for place, (name, chart) in enumerate(pairs):
        with (left, right)[place % 2], st.container(border=True, gap="xsmall", key=f"words_chart_{name}"):
            st.markdown(f"**{t(f'words.chart.{name}')}**", help=t(f"words.chart.{name}_help"))
            chart()


def _bars(
    rows: Sequence[Mapping[str, Any]], name: Callable[[Mapping[str, Any]], str], rest: str = "block"
) -> None:
    """Bars with their number at the end; blocks dark, the rest light. `rest` replaced: of terms."""
    theme = "dark" if st.context.theme.type == "dark" else "light"
    strong, light = _COLORS[theme]
    both = (plain("words.severity.block"), plain("words.severity.warn"))
    if rest == "replaced":
        both, (strong, light) = (
            (plain("words.figure.open"), plain("words.figure.replaced")),
            (strong, "#8A9691"),
        )
    data = []
    for row in rows[:_BARS]:
        first = row["block"] if rest == "block" else row["count"] - row["replaced"]
        for place, (what, count) in enumerate(zip(both, (first, row["count"] - first), strict=True)):
            data.append(
                {"name": name(row), "what": what, "count": count, "order": place, "all": row["count"]}
            )
    names = list(dict.fromkeys(row["name"] for row in data))
    base = alt.Chart(pd.DataFrame(data)).encode(
        y=alt.Y("name:N", title=None, sort=names, axis=alt.Axis(labelLimit=150))
    )
    bars = base.mark_bar(size=16).encode(
        x=alt.X("count:Q", title=None, stack="zero", axis=None),
        order=alt.Order("order:O"),
        color=alt.Color(
            "what:N",
            scale=alt.Scale(domain=list(both), range=[strong, light]),
            legend=alt.Legend(orient="bottom", title=None, offset=0, padding=0),
        ),
        tooltip=[
            alt.Tooltip("name:N", title=" "),
            alt.Tooltip("what:N", title=" "),
            alt.Tooltip("count:Q", title=plain("words.figure.total")),
        ],
    )
    ends = base.transform_filter("datum.order == 0").mark_text(align="left", dx=4)
    numbers = ends.encode(x=alt.X("all:Q"), text="all:Q", color=alt.value(_ink(theme)))
    height = 26 * min(len(rows), _BARS) + 34
    st.altair_chart((bars + numbers).properties(height=height), width="stretch")


def _trend(rows: Sequence[Mapping[str, Any]], until: date, days: int) -> None:
    """A bar for each day of the period, those without a hit too."""
    theme = "dark" if st.context.theme.type == "dark" else "light"
    both = (plain("words.severity.block"), plain("words.severity.warn"))
    counted = {str(row["day"]): (row["block"], row["count"] - row["block"]) for row in rows}
    last = max(str(until), *counted)
    data = [
        {"day": str(day.date())[5:], "what": what, "count": count, "order": place}
        for day in pd.date_range(end=last, periods=days)
        for place, (what, count) in enumerate(zip(both, counted.get(str(day.date()), (0, 0)), strict=True))
    ]
    chart = (
        alt.Chart(pd.DataFrame(data))
        .mark_bar()
        .encode(
            x=alt.X("day:O", title=None, sort=None, axis=alt.Axis(labelAngle=0, labelOverlap="parity")),
            y=alt.Y(
                "count:Q", title=None, stack="zero", axis=alt.Axis(tickMinStep=1, grid=False, format="d")
            ),
            order=alt.Order("order:O"),
            color=alt.Color(
                "what:N",
                scale=alt.Scale(domain=list(both), range=list(_COLORS[theme])),
                legend=alt.Legend(orient="bottom", title=None, offset=0, padding=0),
            ),
            tooltip=[
                alt.Tooltip("day:O", title=plain("words.insight.day")),
                alt.Tooltip("what:N", title=" "),
                alt.Tooltip("count:Q", title=plain("words.figure.total")),
            ],
        )
    )
    st.altair_chart(chart.properties(height=220), width="stretch")


def _reasons(rows: Sequence[Mapping[str, Any]]) -> None:
    if not rows:
        st.caption(t("words.insight.no_exemptions"))
        return
    data = [
        {
            "name": wording.name_of("reason", row["reason"]),
            "what": wording.name_of("exemption", row["state"]),
            "count": row["count"],
        }
        for row in rows
    ]
    chart = (
        alt.Chart(pd.DataFrame(data))
        .mark_bar(size=16)
        .encode(
            y=alt.Y("name:N", title=None, sort="-x", axis=alt.Axis(labelLimit=150)),
            x=alt.X(
                "count:Q", title=None, stack="zero", axis=alt.Axis(tickMinStep=1, grid=False, format="d")
            ),
            color=alt.Color("what:N", legend=alt.Legend(orient="bottom", title=None, offset=0, padding=0)),
            tooltip=[
                alt.Tooltip("name:N", title=" "),
                alt.Tooltip("what:N", title=" "),
                alt.Tooltip("count:Q", title=plain("words.figure.total")),
            ],
        )
    )
    count = len({row["reason"] for row in rows})
    st.altair_chart(chart.properties(height=26 * count + 54), width="stretch")


def _ink(theme: str) -> str:
    return "#E6EAE8" if theme == "dark" else "#1C2422"
