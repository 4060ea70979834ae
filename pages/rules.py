"""异常规则: what counts as an exception, for all shops or one; managers see the effect, then change it."""

import streamlit as st

from backend import rules
from pages.shared import frame
from pages.shared.i18n import t
from pages.shared.ruling import cards, log

user = frame.require_user("operations", "manager", "admin")
frame.page_header(t("rules.title"), help=t("rules.help"))

with frame.boundary():
    shop_id = cards.shop_choice(user)
    if not user.has("manager"):
        st.caption(f":material/lock: {t('rules.read_only')}")
    found = rules.list_rules(frame.client(), shop_id)
    cards.cards(found, rules.overrides(frame.client()), user)
    log.draw(rules.changes(frame.client()), user)
    if user.has("manager"):
        cards.drawer(found)
