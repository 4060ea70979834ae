"""待审批: money that waits for somebody else; a reminder's link opens one of them, and two taps decide it."""

import streamlit as st

from pages.shared import frame
from pages.shared.approvals import listing, one
from pages.shared.i18n import t

user = frame.require_user("agent", "operations", "manager", "admin")
approval_id = one.opened()
if approval_id is None:
    frame.page_header(t("approvals.title"), help=t("approvals.help"))

with frame.boundary():
    if approval_id is None:
        if one.is_misnamed():
            st.warning(t("approvals.bad_link"), icon=":material/link_off:")
        listing.draw()
    else:
        one.draw(approval_id)
