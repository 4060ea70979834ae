"""发送记录: every message that went to a channel, what became of it, and sending a failed one again."""

import streamlit as st

from pages.shared import frame
from pages.shared.channels import deliveries
from pages.shared.i18n import t

user = frame.require_user("manager", "admin")
frame.page_header(t("deliveries.title"), help=t("deliveries.help"))
st.fragment(
    deliveries.body,
    run_every=None if deliveries.opened() else deliveries.REFRESH_SECONDS,
    key="deliveries_body",
)()
deliveries.drawer()
