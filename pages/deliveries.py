"""发送记录: every message that went to a channel, what became of it, and sending a failed one again."""

import streamlit as st

from pages.shared import delivery_list, frame
from pages.shared.i18n import t

user = frame.require_user("manager", "admin")
frame.page_header(t("deliveries.title"), help=t("deliveries.help"))
st.fragment(
    delivery_list.body,
    run_every=None if delivery_list.opened() else delivery_list.REFRESH_SECONDS,
    key="deliveries_body",
)()
delivery_list.drawer()
