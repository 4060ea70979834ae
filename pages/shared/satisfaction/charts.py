"""Charts of 售后分析: one message each, numbers at the bars, targets drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt
import pandas as pd
import streamlit as st

from backend.tickets.insight import Group
from pages.shared.i18n import plain

_MAIN = {"light": "#2F6F62", "dark": "#6FC3AE"}
_QUIET = {"light": "#B9C2BD", "dark": "#55625E"}
_LATE = {"light": "#C2321F", "dark": "#F0705E"}
_INK = {"light": "#31403B", "dark": "#DCE4E0"}


def _theme() -> str:
    return "dark" if st.context.theme.type == "dark" else "light"


def pareto(rows: Sequence[tuple[str, int, float]]) -> None:
    """Causes as bars, the most frequent on top, each with its number and the running share of all."""
    theme = _theme()
    data = pd.DataFrame(
        [
            {
                "name": name,
                "count": count,
                "share": share,
                "label": plain("aftersales.pareto_label", count=count, share=f"{100 * share:.0f} %"),
            }
            for name, count, share in rows
        ]
    )
    base = alt.Chart(data).encode(
        y=alt.Y("name:N", title=None, sort=list(data["name"]), axis=alt.Axis(labelLimit=130)),
        x=alt.X(
            "count:Q",
            title=None,
            axis=None,  # each bar has its number
            scale=alt.Scale(domainMin=0, domainMax=1.7 * max(data["count"])),
        ),
        tooltip=[
            alt.Tooltip("name:N", title=" "),
            alt.Tooltip("count:Q", title=plain("aftersales.cases")),
            alt.Tooltip("share:Q", title=plain("aftersales.running_share"), format=".1%"),
        ],
    )
    bars = base.mark_bar(size=16, color=_MAIN[theme])
    labels = base.mark_text(align="left", dx=4, color=_INK[theme]).encode(text="label:N")
    st.altair_chart((bars + labels).properties(height=26 * len(data) + 12), width="stretch")


def trend(rows: Sequence[Group]) -> None:
    """Cases by day of registration, those that are solved below, with the solve rate on hover."""
    theme = _theme()
    names = (plain("aftersales.solved"), plain("aftersales.unsolved"))
    data = [
        {"day": f"{one.day:%m-%d}", "what": what, "count": count, "order": place, "rate": one.solve_rate}
        for one in rows
        for place, (what, count) in enumerate(zip(names, (one.solved, one.tickets - one.solved), strict=True))
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
                scale=alt.Scale(domain=list(names), range=[_MAIN[theme], _QUIET[theme]]),
                legend=alt.Legend(orient="bottom", title=None, offset=8, padding=0),
            ),
            tooltip=[
                alt.Tooltip("day:O", title=plain("aftersales.day")),
                alt.Tooltip("what:N", title=" "),
                alt.Tooltip("count:Q", title=plain("aftersales.cases")),
                alt.Tooltip("rate:Q", title=plain("aftersales.figure.solve"), format=".1%"),
            ],
        )
    )
    st.altair_chart(chart.properties(height=310), width="stretch", height="stretch")


def times(bars: Mapping[int, int], ends: Sequence[int], target: float | None, *, hours: bool) -> None:
    """How many cases took how long; what came after the target is red and says so in the legend."""
    theme = _theme()
    names = [_bar(ends, place, hours=hours) for place in range(len(ends) + 1)]
    both = (plain("aftersales.in_time"), plain("aftersales.late"))
    data = [
        {
            "bar": name,
            "count": bars.get(place, 0),
            "what": both[int(_is_late(ends, place, target))],
        }
        for place, name in enumerate(names)
    ]
    base = alt.Chart(pd.DataFrame(data)).encode(
        x=alt.X("bar:O", title=None, sort=names, axis=alt.Axis(labelAngle=0, labelLimit=70)),
        y=alt.Y("count:Q", title=None, axis=alt.Axis(tickMinStep=1, grid=False, format="d")),
    )
    color: Any = alt.value(_MAIN[theme])
    if target is not None:
        color = alt.Color(
            "what:N",
            scale=alt.Scale(domain=list(both), range=[_MAIN[theme], _LATE[theme]]),
            legend=alt.Legend(orient="bottom", title=None, offset=8, padding=0),
        )
    drawn = base.mark_bar().encode(
        color=color,
        tooltip=[
            alt.Tooltip("bar:O", title=plain("aftersales.took")),
            alt.Tooltip("count:Q", title=plain("aftersales.cases")),
        ],
    )
    labels = base.mark_text(dy=-6, color=_INK[theme]).encode(text="count:Q")
    st.altair_chart((drawn + labels).properties(height=220), width="stretch")


def _is_late(ends: Sequence[int], place: int, target: float | None) -> bool:
    """Whether a bar begins at or after the target."""
    return target is not None and place > 0 and ends[place - 1] >= target


def _bar(ends: Sequence[int], place: int, *, hours: bool) -> str:
    unit, name = (60, "hours") if hours else (1, "minutes")
    if place == len(ends):
        return plain(f"aftersales.over.{name}", count=ends[-1] // unit)
    return plain(f"aftersales.upto.{name}", count=ends[place] // unit)
