"""成员: who works here; invite one person or a whole team, change, reset, switch off."""

import streamlit as st

from backend import members, shops
from backend.members import Member
from pages.shared import frame
from pages.shared.i18n import t
from pages.shared.people import codes, directory, drawer, invitations

user = frame.require_user("admin", "manager")
frame.page_header(t("members.title"), help=t("members.help"))

VIEWS = ("list", "one", "team") if user.has("admin") else ("list",)


def draw_list(found: list[Member]) -> None:
    """The filtered list; a selected row opens the drawer."""
    chosen = directory.filters(found)
    opened = directory.table(chosen)
    if opened is not None and (member := next((m for m in found if m.id == opened), None)):
        drawer.draw(member, user, all_shops)


with frame.boundary():
    everybody = members.list_members(frame.client())
    all_shops = shops.list_shops(frame.client())
    st.caption(directory.summary([m.role for m in everybody if m.state != "off"]))
    codes.draw()
    view = "list"
    if len(VIEWS) > 1:
        view = st.segmented_control(
            t("members.view"),
            VIEWS,
            format_func=lambda name: t(f"members.view.{name}"),
            key="members_view",
            default="list",
            required=True,
            label_visibility="collapsed",
        )
    if view == "one":
        invitations.one(everybody, all_shops)
    elif view == "team":
        invitations.team(everybody, all_shops)
    else:
        draw_list(everybody)
