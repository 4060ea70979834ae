"""消息: what the desk told me, and what I want to hear of."""

import streamlit as st

from pages.shared import frame, inbox_parts
from pages.shared.i18n import t

user = frame.require_user()
frame.page_header(t("inbox.title"), help=t("inbox.help"))

messages, wishes = st.tabs(
    [t("inbox.tab.messages"), t("inbox.tab.settings")], key="inbox_tab", on_change="rerun"
)
with messages:
    if messages.open:
        st.fragment(inbox_parts.listing, run_every=inbox_parts.REFRESH_SECONDS, key="inbox_list")()
with wishes:
    if wishes.open:
        with frame.boundary():
            inbox_parts.wishes(user)
