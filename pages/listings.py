"""商品文案: from the draft over review and pictures to the shop; a text that breaks the law stops here."""

import streamlit as st

from pages.shared import frame
from pages.shared.i18n import t
from pages.shared.words import listing_drawer, listing_filters, listing_list, listing_state, listing_steps

user = frame.require_user("operations", "analyst", "manager", "admin")
listing_filters.sync(user)

with st.container(horizontal=True, vertical_alignment="center", gap="small", key="listings_head"):
    frame.page_header(t("listings.title"), help=t("listings.help"))
    if user.has("operations", "manager"):
        st.button(
            t("listings.new"),
            key="listings_new",
            icon=":material/add:",
            type="primary",
            shortcut="Alt+A",
            on_click=listing_state.open_new,
        )

if listing_state.opened() is None:
    listing_state.undo_bar("listings")
listing_list.draw(user)

making = listing_state.bulk()
if making is not None:
    listing_steps.dialog(making, user)
elif listing_state.opened() is not None or listing_state.is_new():
    listing_drawer.draw(user)
