"""派单: who is given how much; a leader changes limits, weights, and pauses somebody."""

import streamlit as st

from backend import assignment
from pages.shared import frame, widgets
from pages.shared.assignment import change, table
from pages.shared.i18n import t

user = frame.require_user()
if not (user.has("manager", "admin") or user.is_duty_lead):
    frame.no_access()
frame.page_header(t("assignment.title"), help=t("assignment.help"))

with widgets.filter_row("assignment"):
    area = st.segmented_control(
        t("assignment.area"),
        assignment.AREAS,
        format_func=lambda name: t(f"assignment.area.{name}"),
        default="ticket",
        required=True,
        key="assignment_area",
        bind="query-params",
        label_visibility="collapsed",
    )
    shop = st.selectbox(
        t("assignment.shop"),
        user.shops,
        format_func=lambda one: one.name,
        key="assignment_shop",
        label_visibility="collapsed",
        width=240,
    )

with frame.boundary():
    if shop is None:
        widgets.empty_state(t("assignment.no_shop"), icon=":material/storefront:", key="assignment")
    else:
        found = assignment.screen(frame.client(), area, shop.id)
        table.draw(area, found)
        if found.can_change and found.members:
            change.form(area, found, shop.timezone)
