"""提醒渠道: group robots, webhooks and mail through which reminders go out; test each with a click."""

import streamlit as st

from backend import channels
from pages.shared import frame
from pages.shared.channels import cards, forms
from pages.shared.i18n import t

user = frame.require_user("manager", "admin")
frame.page_header(t("channels.title"), help=t("channels.help"))

with frame.boundary():
    hosts = channels.hosts(frame.client())
    cards.cards(channels.channels(frame.client()), hosts, user)
    with st.expander(t("channels.add"), icon=":material/add:", key="channels_add"):
        forms.add(hosts, user)
    if user.has("admin"):
        with st.expander(t("channels.hosts"), icon=":material/public:", key="channels_hosts"):
            forms.hosts(hosts)
