"""交接班: what colleagues offer me, what I hand over, and (for leaders) who left without."""

import streamlit as st

from backend import handover
from pages.shared import frame
from pages.shared.handover import leaving, offers, past
from pages.shared.i18n import t

frame.require_user("agent", "operations", "analyst", "manager", "admin")

with frame.boundary():
    screen = handover.screen(frame.client())
    frame.page_header(t("handover.title"), help=t("handover.help"), waiting=len(screen.offers))
    st.fragment(offers.listing, run_every=offers.REFRESH_SECONDS, key="handover_offers")()
    if screen.shift or screen.mine or not screen.sees_everybody:
        leaving.panel(screen)
    if screen.sees_everybody:
        past.table()
