"""One KPI: its line against the target, and the same figure by day, shift, shop and person."""

from __future__ import annotations

from collections.abc import Sequence

import altair as alt
import pandas as pd
import streamlit as st

from backend import exports
from backend.kpi import codes, reads
from backend.kpi.reads import Definition, Line, Tile
from pages.shared import frame, home_links
from pages.shared.format import md
from pages.shared.frame import User
from pages.shared.i18n import plain, t
from pages.shared.improvement import offer
from pages.shared.kpi import filters, words

_SHOP = {"tickets": "shop_id", "orders": "shop_id", "tasks": "shop"}
_SCOPES = {"day": "kpi.day", "shift": "kpi.shift", "shop": "kpi.shop", "person": "kpi.agent"}
_MAIN = {"light": "#2F6F62", "dark": "#6FC3AE"}
_TARGET = {"light": "#C2321F", "dark": "#F0705E"}


def draw(user: User, tile: Tile, meaning: Definition | None) -> None:
    """The opened KPI."""
    st.button(
        t("kpi.back"), key="kpi_back", icon=":material/arrow_back:", on_click=filters.open_code, args=(None,)
    )
    st.subheader(md(words.name(tile.code, tile.name_en)), anchor=False)
    if meaning is not None:
        st.caption(md(words.formula(meaning)))
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="kpi_detail_bar"):
        st.markdown(f"**{md(words.current(tile))}** {words.verdict(tile)}", width="content")
        _ways(tile)
    with st.container(border=True):
        _line(tile)
    _groups(user, tile, meaning)


def _ways(tile: Tile) -> None:
    """To the rows behind the figure, where there is a list of them; and from a missed target to a task."""
    shop_id = filters.value("shop")
    if tile.code in codes.ROWS:
        page, query = codes.ROWS[tile.code]
        more = {_SHOP[page]: str(shop_id)} if shop_id else {}
        home_links.link(t("kpi.rows"), page, query={**query, **more}, icon=":material/list:")
    if tile.is_met is False:
        offer.button(
            t("kpi.offer"),
            key="kpi_offer",
            title=plain(
                "kpi.offer_title",
                name=words.name(tile.code, tile.name_en),
                value=words.current(tile),
                target=words.target(tile),
            ),
            source="anomaly",
            evidence={"kpi": tile.code},
            shop_id=shop_id,
        )


def _theme() -> str:
    return "dark" if st.context.theme.type == "dark" else "light"


def _line(tile: Tile) -> None:
    points = [(f"{one.at:%m-%d}", one.value, one.sample) for one in tile.points if one.value is not None]
    if not points:
        st.markdown(f":gray[{t('kpi.no_points')}]")
        return
    theme = _theme()
    data = pd.DataFrame(points, columns=["at", "value", "sample"])
    base = alt.Chart(data).encode(
        x=alt.X("at:O", title=None, sort=None, axis=alt.Axis(labelAngle=0, labelOverlap="parity")),
        y=words.axis(tile.unit),
        tooltip=[
            alt.Tooltip("at:O", title=plain("kpi.day")),
            alt.Tooltip("value:Q", title=plain("kpi.value"), format=",.2f"),
            alt.Tooltip("sample:Q", title=plain("kpi.samples"), format=","),
        ],
    )
    chart: alt.LayerChart = base.mark_line(color=_MAIN[theme]) + base.mark_point(
        color=_MAIN[theme], filled=True, size=40
    )
    if tile.target is not None:
        rule = alt.Chart(pd.DataFrame({"value": [tile.target]})).mark_rule(
            color=_TARGET[theme], strokeDash=[6, 4]
        )
        chart = chart + rule.encode(y="value:Q")
        st.caption(words.target(tile))
    st.altair_chart(chart.properties(height=260), width="stretch")


def _ways_to_group(user: User, tile: Tile) -> list[str]:
    """What a table of this KPI can be by: only what has more than one line, or none of its own."""
    one_person = user.has("agent") or filters.value("agent") is not None
    return [
        "day",
        *(["shift"] if tile.no_shift is None and filters.value("shift") is None else []),
        *(["shop"] if len(user.shops) > 1 and filters.value("shop") is None else []),
        *(["person"] if tile.by_person and not one_person else []),
    ]


def _groups(user: User, tile: Tile, meaning: Definition | None) -> None:
    names = _ways_to_group(user, tile)
    by = st.segmented_control(
        t("kpi.by"),
        names,
        default="person" if "person" in names else "day",
        required=True,
        format_func=lambda name: plain(f"kpi.by.{name}"),
        key="kpi_by",
        label_visibility="collapsed",
    )
    if tile.no_shift is not None:
        st.caption(t(f"kpi.no_shift.{tile.no_shift}"))
    elif by == "shift":
        st.caption(t("kpi.shift_help"))
    first, last = filters.days(user)
    found = reads.lines(
        frame.client(),
        tile.code,
        first,
        last,
        by=by or "day",
        shop_id=filters.value("shop"),
        agent=filters.value("agent"),
        shift=filters.value("shift"),
    )
    _table(found, tile, by or "day", meaning)


def _table(found: Sequence[Line], tile: Tile, by: str, meaning: Definition | None) -> None:
    rows = [
        {
            "scope": words.scope(one.scope),
            "value": words.figure(one.value, tile.unit),
            "numerator": one.numerator,
            "denominator": one.denominator,
            "sample": one.sample,
        }
        for one in found
    ]
    columns = [
        ("scope", plain(_SCOPES[by])),
        ("value", plain("kpi.column.value")),
        *words.parts(meaning),
        ("sample", plain("kpi.column.sample")),
    ]
    st.dataframe(
        pd.DataFrame(rows, columns=[name for name, _ in columns]),
        hide_index=True,
        column_config={
            name: st.column_config.TextColumn(label, alignment="right" if name == "value" else "left")
            if name in ("scope", "value")
            else st.column_config.NumberColumn(label, format="localized")
            for name, label in columns
        },
        key=f"kpi_lines_{tile.code}_{by}",
        alt=plain("kpi.lines_alt"),
    )
    st.download_button(
        t("kpi.export"),
        exports.write_xlsx(rows, columns, tile.code[:20]),
        f"{tile.code}.xlsx",
        icon=":material/download:",
        key="kpi_export",
        on_click="ignore",
    )
