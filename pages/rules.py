"""异常规则: what counts as an exception, for all shops or one; managers see the effect, then change it."""

import streamlit as st

from pages.shared import frame
from pages.shared.i18n import t
from pages.shared.ruling import calls, cards, log

user = frame.require_user("operations", "manager", "admin")
frame.page_header(t("rules.title"), help=t("rules.help"))

with frame.boundary():
    shop_id = cards.shop_choice(user)
    if not user.has("manager"):
        st.caption(f":material/lock: {t('rules.read_only')}")
    rules = calls.rules(shop_id)
    cards.cards(rules, calls.overrides(), user)
    log.draw(calls.changes(), user)
    if user.has("manager"):
        cards.drawer(rules)
