"""工单: every after-sales case until the customer says it is solved."""

import streamlit as st

from pages.shared import frame
from pages.shared.i18n import plain, t
from pages.shared.tickets import bulk, filters, listing, state

user = frame.require_user()
filters.sync(user)
frame.page_header(t("tickets.title"), help=t("tickets.help"))
state.undo_bar()
listing.draw(user)
if state.mine():
    st.set_page_config(page_title=f"({state.mine()}) {plain('tickets.title')} · {plain('common.product')}")
bulk.dialog()
