"""时效总览: what is overdue, due soon and on time, by area, person and shop; the worst first."""

import streamlit as st

from pages.shared import frame
from pages.shared.deadlines import drawer, filters, overview
from pages.shared.i18n import t

user = frame.require_user()
filters.sync(user)
frame.page_header(t("deadlines.title"), help=t("deadlines.help"))

st.fragment(
    overview.body,
    run_every=None if drawer.opened() else overview.REFRESH_SECONDS,
    key="deadlines_body",
)(user)
drawer.draw()
