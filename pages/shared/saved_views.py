"""Saved views ★: filters under a name, one's own and those that colleagues share. One form for all lists."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import streamlit as st

from backend import views
from backend.views import SavedView
from pages.shared import frame
from pages.shared.format import md
from pages.shared.frame import User
from pages.shared.i18n import t

Show = Callable[[Mapping[str, str]], None]
"""Shows a view: exactly these filters."""


def draw(user: User, area: str, *, params: Mapping[str, str], show: Show) -> None:
    """The views of an area to choose from, and the form that keeps the filters in force under a name."""
    with (
        st.popover("", icon=":material/star:", help=t("orders.views"), key=f"{area}_views_menu"),
        frame.boundary(),
    ):
        for view in _saved(area):
            _line(user, view, show)
        _keep(user, area, params)


def _saved(area: str) -> tuple[SavedView, ...]:
    """Read once per visit; a write forgets them."""
    kept = f"{area}_views"
    if kept not in st.session_state:
        st.session_state[kept] = views.saved(frame.client(), area)
    found: tuple[SavedView, ...] = st.session_state[kept]
    return found


def _line(user: User, view: SavedView, show: Show) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="xsmall"):
        st.button(
            md(view.name),
            key=f"{view.area}_view_{view.id}",
            icon=":material/group:" if view.is_shared else ":material/star:",
            width="stretch",
            on_click=show,
            args=(view.params,),
        )
        if view.member_id == user.id and st.button(
            "",
            key=f"{view.area}_view_forget_{view.id}",
            icon=":material/delete:",
            help=t("orders.view_forget", name=view.name),
            type="tertiary",
        ):
            asked = frame.request_id(f"{view.area}_view_forget", view.id)
            views.forget(frame.client(), view.id, request_id=asked)
            _renew(view.area, t("orders.view_forgotten", name=view.name))


def _keep(user: User, area: str, params: Mapping[str, str]) -> None:
    if not params:
        st.caption(t("orders.view_hint"))
        return
    with st.form(f"{area}_view_form", border=False):
        name = st.text_input(t("orders.view_name"), key=f"{area}_view_name", max_chars=40)
        may_share = user.has("operations", "manager", "admin")
        shared = st.checkbox(t("orders.view_share"), key=f"{area}_view_share", disabled=not may_share)
        sent = st.form_submit_button(t("orders.view_save"), key=f"{area}_view_save")
    if sent and name.strip():
        asked = frame.request_id(f"{area}_view_save", name.strip(), params, shared)
        views.save(frame.client(), area, name.strip(), params, request_id=asked, is_shared=shared)
        _renew(area, t("orders.view_saved", name=name.strip()))


def _renew(area: str, told: str) -> None:
    st.session_state.pop(f"{area}_views", None)
    frame.flash_and_rerun(told, icon=":material/star:")
