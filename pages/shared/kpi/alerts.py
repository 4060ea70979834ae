"""指标预警: the watched targets, missed ones first; managers switch them and set their margins."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from backend.kpi import commands, reads
from backend.kpi.reads import Alert, Definition
from pages.shared import frame, home_links, widgets
from pages.shared.format import md
from pages.shared.frame import User
from pages.shared.i18n import t
from pages.shared.kpi import filters, words


def draw(user: User, meanings: Mapping[str, Definition]) -> None:
    """All watched targets of my shops."""
    found = reads.alerts(frame.client(), shop_id=filters.value("shop"))
    raised = [one for one in found if one.state == "raised"]
    if not found:
        widgets.empty_state(
            t("kpi.alerts_none"), t("kpi.alerts_none_hint"), icon=":material/notifications:", key="kpi_alerts"
        )
        return
    st.markdown(t("kpi.alerts_raised", count=len(raised)))
    for one in raised:
        _line(user, one, meanings)
    with st.expander(t("kpi.alerts_quiet", count=len(found) - len(raised)), expanded=not raised):
        for one in found:
            if one.state != "raised":
                _line(user, one, meanings)


def _line(user: User, one: Alert, meanings: Mapping[str, Definition]) -> None:
    meaning = meanings.get(one.code)
    if meaning is None:
        return
    shop = user.shop(one.shop_id)
    name = md(words.name(one.code, meaning.name_en))
    with st.container(
        horizontal=True, vertical_alignment="center", border=one.state == "raised", key=f"kpi_alert_{one.id}"
    ):
        mark = ":red-badge[:material/priority_high:]" if one.state == "raised" else ":gray[:material/check:]"
        if one.value is None:
            mark = ":gray[:material/hourglass_empty:]"
        missed = one.target if one.state == "raised" else None
        facts = [
            words.figure(one.value, meaning.unit, missed=missed) if one.day else t("kpi.alert_waits"),
            words.wanted(one.target, meaning.direction, meaning.unit),
            t("kpi.sample", count=f"{one.sample or 0:,}"),
        ]
        if one.day:
            facts.append(t("kpi.of_day", day=f"{one.day:%m-%d}"))
        if one.since:
            facts.append(t("kpi.since", day=f"{one.since:%m-%d}"))
        st.markdown(
            f"{mark} **{name}** · {md(shop.name if shop else '')}  \n:gray[{md(' · '.join(facts))}]",
            width="stretch",
        )
        query = {"code": one.code, "shop": str(one.shop_id)}
        home_links.link(t("kpi.open"), "kpi", query=query, icon=":material/query_stats:")
        if user.has("manager", "admin"):
            _settings(one)


def _settings(one: Alert) -> None:
    with st.popover("", icon=":material/tune:", help=t("kpi.alert_settings")):
        shown = frame.opened_version("kpi_alert", one.id, one.version)
        with st.form(f"kpi_alert_form_{one.id}_{shown}", border=False):
            active = st.toggle(t("kpi.alert_on"), value=one.is_active)
            sample = st.number_input(
                t("kpi.alert_sample"), 1, 1_000_000, one.min_sample, help=t("kpi.alert_sample_help")
            )
            margin = st.number_input(
                t("kpi.alert_margin"), 0.0, 50.0, one.margin, step=0.5, help=t("kpi.alert_margin_help")
            )
            sent = st.form_submit_button(t("common.save"), type="primary")
        if sent:
            change = {"is_active": active, "min_sample": int(sample), "margin": margin}
            with frame.boundary(), frame.editing("kpi_alert", one.id):
                asked = frame.request_id("kpi_alert", one.id, shown, change)
                commands.set_alert(frame.client(), one.id, shown, change, request_id=asked)
                frame.close_form("kpi_alert", one.id)
                frame.flash_and_rerun(t("kpi.alert_saved"))
