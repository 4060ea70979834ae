"""The figures of a period as tiles: value, target, change, sample, a line; and what is missing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import streamlit as st

from backend.kpi.reads import Definition, Screen, Tile
from pages.shared import frame, home_links, widgets
from pages.shared.format import md
from pages.shared.i18n import plain, t
from pages.shared.kpi import filters, words

AREAS = ("chat", "sales", "aftersales", "fulfilment", "improvement")


def draw(found: Screen, meanings: Mapping[str, Definition]) -> None:
    """All tiles by area, then what is missing."""
    _age(found)
    known = [tile for tile in found.tiles if not tile.missing]
    if not any(tile.sample for tile in known):
        widgets.empty_state(t("kpi.none"), t("kpi.none_hint"), icon=":material/query_stats:", key="kpi")
    for area in AREAS:
        shown = [tile for tile in known if tile.area == area]
        if shown:
            st.markdown(f"**{t(f'kpi.area.{area}')}**")
            with st.grid(min_column_width=200, gap="small", key=f"kpi_{area}"):
                for tile in shown:
                    _tile(tile, meanings.get(tile.code))
    _missing([tile for tile in found.tiles if tile.missing])


def _age(found: Screen) -> None:
    parts = [t("kpi.kept", when=frame.clock(found.kept_at))] if found.kept_at else []
    if found.waiting:
        parts.append(t("kpi.waiting", count=found.waiting))
    ages = [
        f"{plain(f'imports.kind.{one.kind}')} {frame.clock(one.at) if one.at else plain('kpi.never')}"
        for one in found.ages
    ]
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="kpi_age"):
        if parts:
            st.caption(" · ".join(parts), width="content")
        with st.popover(t("kpi.ages"), icon=":material/schedule:", type="tertiary"):
            st.caption(t("kpi.ages_help"))
            for line in ages:
                st.markdown(f"- {md(line)}")


def _tile(tile: Tile, meaning: Definition | None) -> None:
    with st.container(border=True, height="stretch", gap="xsmall", key=f"kpi_tile_{tile.code}"):
        line = [point.value for point in tile.points if point.value is not None]
        change = None
        if tile.value is not None and tile.before is not None and tile.sample >= words.FEW:
            change = round(tile.value - tile.before, 2)
        st.metric(
            md(words.name(tile.code, tile.name_en)),
            words.current(tile),
            delta=change if change else None,
            delta_color="inverse" if tile.direction == "down" else "normal",
            help=_help(tile, meaning),
            chart_data=line if len(line) > 1 else None,
            chart_type="line",
        )
        st.markdown(_verdict(tile))
        st.button(
            t("kpi.open"),
            key=f"kpi_open_{tile.code}",
            type="tertiary",
            icon=":material/chevron_right:",
            icon_position="right",
            on_click=filters.open_code,
            args=(tile.code,),
        )


def _verdict(tile: Tile) -> str:
    if filters.value("shift") is not None and (tile.no_shift is not None or tile.only_days):
        reason = tile.no_shift or "sheets"
        return f":gray[{t(f'kpi.no_shift.{reason}')}]"
    return words.verdict(tile, between="  \n")


def _help(tile: Tile, meaning: Definition | None) -> str:
    if meaning is None:
        return ""
    sums = t("kpi.sums", numerator=_sum(tile.numerator), denominator=_sum(tile.denominator))
    source = f"{t('kpi.version', version=tile.version)} · {md(meaning.origin)}"
    before = (
        [t("kpi.before", value=md(words.figure(tile.before, tile.unit)))] if tile.before is not None else []
    )
    return "  \n".join((md(words.formula(meaning)), sums, *before, source))


def _sum(value: float | None) -> str:
    return "—" if value is None else f"{value:,.10g}"


def _missing(tiles: Sequence[Tile]) -> None:
    if not tiles:
        return
    with st.expander(t("kpi.missing", count=len(tiles)), icon=":material/upload_file:"):
        for tile in tiles:
            name = md(words.name(tile.code, tile.name_en))
            st.markdown(f"- **{name}**: {md(plain('kpi.needs', files=words.sources(tile.missing)))}")
        home_links.link(t("kpi.to_imports"), "imports", icon=":material/upload_file:")
