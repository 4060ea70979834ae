"""订单异常: the queue of orders that must not ship before somebody decided."""

import streamlit as st

from pages.shared import frame
from pages.shared.i18n import plain, t
from pages.shared.queue import bulk, claims, drawer, filters, listing, state

user = frame.require_user("agent", "warehouse", "operations", "analyst", "manager", "admin")
filters.sync(user)

with st.container(horizontal=True, vertical_alignment="center", gap="small", key="orders_head"):
    frame.page_header(t("orders.title"), help=t("orders.help"))
    claims.next_button(user)
    claims.keys()

if state.opened() is None:
    state.undo_bar("orders")
listing.draw(user)
if state.mine():
    st.set_page_config(page_title=f"({state.mine()}) {plain('orders.title')} · {plain('common.product')}")

making = state.bulk()
if making is not None:
    bulk.dialog(making)
else:
    drawer.draw(user)
