"""时效总览: what is overdue, due soon and on time, by area, person and shop; the worst first."""

import streamlit as st

from pages.shared import deadline_drawer, deadline_filters, deadline_parts, frame
from pages.shared.i18n import t

user = frame.require_user()
deadline_filters.sync(user)
frame.page_header(t("deadlines.title"), help=t("deadlines.help"))

st.fragment(
    deadline_parts.body,
    run_every=None if deadline_drawer.opened() else deadline_parts.REFRESH_SECONDS,
    key="deadlines_body",
)(user)
deadline_drawer.draw()
