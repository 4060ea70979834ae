"""纠纷处理权限表: what a handler may grant alone, who approves the rest, where prices are protected."""

import streamlit as st

from backend.tickets import authority
from pages.shared import frame
from pages.shared.authority import cards, drawer, log
from pages.shared.i18n import t

user = frame.require_user()
frame.page_header(t("authority.title"), help=t("authority.help"))

with frame.boundary():
    shop_id = cards.shop_choice(user)
    if not user.has("manager"):
        st.caption(f":material/lock: {t('authority.read_only')}")
    found = authority.screen(frame.client(), shop_id)
    cards.limits(found.limits, shop_id, user)
    st.caption(f":material/gavel: {t('authority.complaints')}")
    left, right = st.columns(2, gap="medium")
    with left:
        cards.platforms(found.platforms, user)
    with right:
        cards.approvers(found.approvers)
    log.draw(found.changes, user)
    if user.has("manager"):
        drawer.draw(found.limits, found.platforms, shop_id)
