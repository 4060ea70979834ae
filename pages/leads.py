"""线索: the board by stage, the list, and one lead (`?id=`): followed up in time, never lost."""

import streamlit as st

from pages.shared import frame
from pages.shared.i18n import t
from pages.shared.leads import board, bulk, capture, one, state, twins

user = frame.require_user("agent", "operations", "analyst", "manager", "admin")
lead_id = state.opened()
if lead_id is None:
    state.forget_contact()
if lead_id is not None:
    one.draw(user, lead_id)
else:
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="leads_head"):
        frame.page_header(t("leads.title"), help=t("leads.help"))
        capture.button(user)
    if user.has("operations"):
        capture.elsewhere()
    else:
        board.draw(user)
capture.dialog(user)
twins.dialog(user)
bulk.dialog()
