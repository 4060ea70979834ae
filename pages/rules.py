"""异常规则: what counts as an exception, for all shops or one; managers see the effect, then change it."""

import streamlit as st

from pages.shared import frame, ruling, ruling_calls, ruling_log
from pages.shared.i18n import t

user = frame.require_user("operations", "manager", "admin")
frame.page_header(t("rules.title"), help=t("rules.help"))

with frame.boundary():
    shop_id = ruling.shop_choice(user)
    if not user.has("manager"):
        st.caption(f":material/lock: {t('rules.read_only')}")
    rules = ruling_calls.rules(shop_id)
    ruling.cards(rules, ruling_calls.overrides(), user)
    ruling_log.draw(ruling_calls.changes(), user)
    if user.has("manager"):
        ruling.drawer(rules)
