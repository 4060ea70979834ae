"""指标定义: what each figure counts, where it comes from, its target; analysts and managers set targets."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from backend.kpi import commands
from backend.kpi.reads import Definition
from pages.shared import frame
from pages.shared.format import md
from pages.shared.frame import User
from pages.shared.i18n import plain, t
from pages.shared.kpi import filters, words


def draw(user: User, found: Sequence[Definition]) -> None:
    """The library as a table; below it the form of the chosen one."""
    st.caption(t("kpi.library_help"))
    st.dataframe(
        pd.DataFrame([_cells(one) for one in found]),
        hide_index=True,
        height="content",
        column_config={
            name: st.column_config.TextColumn(plain(f"kpi.column.{name}"), width=width)
            for name, width in (
                ("name", 115),
                ("formula", 405),
                ("target", 150),
                ("sources", 150),
                ("origin", 125),
                ("version", 60),
            )
        },
        key="kpi_library",
        alt=plain("kpi.tab.definitions"),
    )
    if user.has("analyst", "manager", "admin"):
        with st.container(horizontal=True, gap="medium"):
            _target(found)
            _backfill(user)


def _cells(one: Definition) -> dict[str, str]:
    sign = "≥" if one.direction == "up" else "≤"
    target = "" if one.threshold is None else f"{sign} {words.figure(one.threshold, one.unit)}"
    others = [
        f"{plain(f'platform.{platform}')} {sign} {words.figure(value, one.unit)}"
        for platform, value in one.platform_thresholds.items()
    ]
    return {
        "name": words.name(one.code, one.name_en),
        "formula": words.formula(one),
        "target": " · ".join(part for part in (target, *others) if part),
        "sources": words.sources(one.sources) if one.sources else plain("kpi.own_work"),
        "origin": one.origin,
        "version": plain("kpi.version", version=one.version),
    }


def _target(found: Sequence[Definition]) -> None:
    with st.popover(t("kpi.change_target"), icon=":material/flag:"):
        by_code = {one.code: one for one in found}
        code = st.selectbox(
            t("kpi.which"),
            list(by_code),
            format_func=lambda key: words.name(key, by_code[key].name_en),
            key="kpi_target_code",
        )
        one = by_code[code]
        shown = frame.opened_version(f"kpi_{code}", one.position, one.version)
        with st.form(f"kpi_target_{one.position}_{shown}", border=False):
            target = st.number_input(
                t("kpi.new_target", unit=words.unit(one.unit)), min_value=0.0, value=one.threshold, step=1.0
            )
            params = {
                name: st.number_input(t(f"kpi.param.{name}"), 0, 10_000, value)
                for name, value in one.params.items()
            }
            sent = st.form_submit_button(t("common.save"), type="primary")
        if sent:
            change = {"threshold": target, "params": {name: int(value) for name, value in params.items()}}
            with frame.boundary(), frame.editing(f"kpi_{code}", one.position):
                asked = frame.request_id("kpi_target", code, shown, change)
                commands.change_definition(frame.client(), code, shown, change, request_id=asked)
                frame.close_form(f"kpi_{code}", one.position)
                frame.flash_and_rerun(t("kpi.target_saved", name=md(words.name(code, one.name_en))))


def _backfill(user: User) -> None:
    with st.popover(t("kpi.backfill"), icon=":material/history:"):
        st.caption(t("kpi.backfill_help"))
        first, last = filters.days(user, "365")
        chosen = st.date_input(
            t("kpi.backfill_days"), (first, last), key="kpi_backfill_days", format="YYYY-MM-DD"
        )
        if st.button(t("kpi.backfill_go"), type="primary", key="kpi_backfill_go"):
            if not (isinstance(chosen, tuple) and len(chosen) == 2):
                st.error(t("kpi.backfill_both"), icon=":material/error:")
                return
            with frame.boundary():
                asked = frame.request_id("kpi_backfill", chosen)
                days = commands.backfill(frame.client(), chosen[0], chosen[1], request_id=asked)
                frame.flash_and_rerun(t("kpi.backfill_sent", count=days))
