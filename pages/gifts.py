"""赠品与价格权限: which gift comes with what, how far a price may go, and gifts that were promised and not
sent."""

import streamlit as st

from pages.shared import frame
from pages.shared.i18n import t
from pages.shared.library import gift_check, offer_drawer, offer_list, state

user = frame.require_user()
offer_list.sync(user)

with st.container(horizontal=True, vertical_alignment="center", gap="small", key="gifts_head"):
    frame.page_header(t("library.gifts"), help=t("library.gifts_help"))
    if user.has("operations", "manager") and offer_list.view() != "check":
        st.button(
            t(f"library.new_offer.{offer_list.view()}"),
            key="gifts_new",
            icon=":material/add:",
            type="primary",
            on_click=state.open_new,
        )

st.segmented_control(
    t("library.tabs"),
    offer_list.VIEWS,
    required=True,
    format_func=lambda name: t(f"library.view.{name}"),
    key="gifts_view",
    label_visibility="collapsed",
    on_change=offer_list.show,
)
with frame.boundary():
    if offer_list.view() == "check":
        gift_check.draw(user)
    else:
        offer_list.draw(user, "price" if offer_list.view() == "price" else "gift")
if state.opened() is not None or state.is_new():
    offer_drawer.draw(user)
