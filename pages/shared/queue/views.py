"""Saved views ★: filters under a name, one's own and those that colleagues share."""

from __future__ import annotations

import streamlit as st

from backend import views
from backend.views import SavedView
from pages.shared import frame
from pages.shared.format import md
from pages.shared.frame import User
from pages.shared.i18n import t
from pages.shared.queue import filters, state

_AREA = "orders"
_KEPT = "orders_views"


def draw(user: User) -> None:
    """The views to choose from, and the form that keeps the filters in force under a name."""
    with (
        st.popover("", icon=":material/star:", help=t("orders.views"), key="orders_views_menu"),
        frame.boundary(),
    ):
        for view in _saved():
            _line(user, view)
        _keep(user)


def _saved() -> tuple[SavedView, ...]:
    """Read once per visit; a write forgets them."""
    if _KEPT not in st.session_state:
        st.session_state[_KEPT] = views.saved(frame.client(), _AREA)
    found: tuple[SavedView, ...] = st.session_state[_KEPT]
    return found


def _line(user: User, view: SavedView) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="xsmall"):
        icon = ":material/group:" if view.is_shared else ":material/star:"
        st.button(
            md(view.name),
            key=f"orders_view_{view.id}",
            icon=icon,
            width="stretch",
            on_click=filters.show,
            args=(view.params,),
        )
        if view.member_id == user.id and st.button(
            "",
            key=f"orders_view_forget_{view.id}",
            icon=":material/delete:",
            help=t("orders.view_forget", name=view.name),
            type="tertiary",
        ):
            views.forget(frame.client(), view.id, request_id=state.mark("orders_view_forget", view.id))
            _renew(t("orders.view_forgotten", name=view.name))


def _keep(user: User) -> None:
    params = filters.params()
    if not params:
        st.caption(t("orders.view_hint"))
        return
    with st.form("orders_view_form", border=False):
        name = st.text_input(t("orders.view_name"), key="orders_view_name", max_chars=40)
        may_share = user.has("operations", "manager", "admin")
        shared = st.checkbox(t("orders.view_share"), key="orders_view_share", disabled=not may_share)
        sent = st.form_submit_button(t("orders.view_save"), key="orders_view_save")
    if sent and name.strip():
        asked = state.mark("orders_view_save", name.strip(), params, shared)
        views.save(frame.client(), _AREA, name.strip(), params, request_id=asked, is_shared=shared)
        _renew(t("orders.view_saved", name=name.strip()))


def _renew(told: str) -> None:
    st.session_state.pop(_KEPT, None)
    frame.flash_and_rerun(told, icon=":material/star:")
