"""时效规则: how long each kind of work may take, by which clock, and who hears of it when."""

import streamlit as st

from pages.shared import frame
from pages.shared.i18n import t
from pages.shared.policies import cards, drawer

user = frame.require_user("operations", "analyst", "manager", "admin")
frame.page_header(t("policies.title"), help=t("policies.help"))

with frame.boundary():
    if not user.has("manager", "admin"):
        st.caption(f":material/lock: {t('policies.read_only')}")
    policies, calendars = cards.read()
    cards.draw(policies, calendars, user)
    drawer.draw(policies, calendars, user)
