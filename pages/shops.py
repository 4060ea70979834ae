"""店铺: the shops of this installation; an admin adds and changes them."""

import streamlit as st

from backend import shops
from pages.shared import frame, shop_forms, widgets
from pages.shared.i18n import t

frame.require_user("admin")
frame.page_header(t("shops.title"), help=t("shops.help"))

with frame.boundary():
    found = shops.list_shops(frame.client())
    if not found:
        widgets.empty_state(t("shops.none"), t("shops.none_hint"), icon=":material/storefront:", key="shops")
    for shop in found:
        shop_forms.card(shop)
    st.subheader(t("shops.add"), anchor=False)
    shop_forms.add({shop.code for shop in found})
