"""满意度: whom to ask, what customers said, what a low score still needs."""

import streamlit as st

from pages.shared import frame, widgets
from pages.shared.i18n import t
from pages.shared.satisfaction import answering, asking, figures, filters, ratings, reviewing, rules

_TABS = {
    "ask": asking.draw,
    "low": reviewing.draw,
    "answers": answering.draw,
    "ratings": ratings.draw,
}

user = frame.require_user("agent", "operations", "analyst", "manager", "admin")
filters.sync(user, tuple(_TABS))
frame.page_header(t("satisfaction.title"), help=t("satisfaction.help"))
with frame.boundary():
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small", key="satisfaction_bar"):
        filters.draw(user)
        rules.button(user)
    found = figures.load(user)
    with widgets.wide("satisfaction_figures"):
        figures.draw(found)
    _TABS[filters.tabs(tuple(_TABS))](user)
    with widgets.narrow("satisfaction_figures"):  # whom to ask comes first where there is little room
        figures.draw(found)
asking.dialog(user)
reviewing.dialog()
answering.dialog()
rules.dialog(user)
