"""上线进度: what a new installation still needs, each step with its page."""

import streamlit as st

from backend import members, shops
from pages.shared import frame
from pages.shared.i18n import t

frame.require_user("admin")
frame.page_header(t("setup.title"), help=t("setup.help"))


def step(name: str, *, done: bool, detail: str, page: str) -> None:
    """One step: its state in words and icon, and the way to it."""
    icon = ":green[:material/check_circle:]" if done else ":gray[:material/radio_button_unchecked:]"
    with st.container(border=True, horizontal=True, vertical_alignment="center", key=f"setup_{name}"):
        with st.container(gap="xxsmall", width="stretch"):
            st.markdown(f"{icon} **{t(f'setup.step.{name}')}**")
            st.caption(detail)
        st.page_link(f"{page}.py", label=t("setup.open"), icon=":material/arrow_forward:")


with frame.boundary():
    my_shops = [shop for shop in shops.list_shops(frame.client()) if shop.is_active]
    others = [member for member in members.list_members(frame.client()) if member.state != "off"]
    step("shops", done=bool(my_shops), detail=t("setup.shops_now", count=len(my_shops)), page="shops")
    step("people", done=len(others) > 1, detail=t("setup.people_now", count=len(others)), page="members")
