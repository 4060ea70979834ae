"""我有建议: anybody's proposal, in two clicks, under a name or under none."""

from __future__ import annotations

import streamlit as st

from backend.improvement import commands
from pages.shared import frame, home_links
from pages.shared.frame import User
from pages.shared.i18n import plain, t


def draw(user: User) -> None:
    """The button and its form; the address may bring a cause or a KPI along (`?propose=…`)."""
    with st.container(
        horizontal=True,
        horizontal_alignment="right",
        vertical_alignment="center",
        gap="small",
        key="tasks_actions",
    ):
        with st.popover(t("tasks.propose"), icon=":material/add:", type="primary"):
            _form(user)
        if user.has("operations", "analyst", "manager", "admin"):
            home_links.link(t("meeting.title"), "meeting", icon=":material/groups:")


def _form(user: User) -> None:
    names: dict[int | None, str] = {
        None: plain("tasks.all_shops"),
        **{shop.id: shop.name for shop in user.shops},
    }
    with st.form("tasks_propose", border=False, clear_on_submit=True):
        title = st.text_input(
            t("tasks.propose_title"), max_chars=120, placeholder=plain("tasks.propose_title_hint")
        )
        detail = st.text_area(t("tasks.propose_detail"), max_chars=4000, height=100)
        shop = st.selectbox(
            t("tasks.shop"),
            list(names),
            index=1 if len(user.shops) == 1 else 0,
            format_func=lambda key: names[key],
        )
        anonymous = st.toggle(t("tasks.anonymous"), help=t("tasks.anonymous_help"))
        sent = st.form_submit_button(t("tasks.propose_send"), type="primary")
    if not sent:
        return
    facts = {
        "title": title.strip(),
        "detail": detail.strip(),
        "shop_id": shop,
        "source": "suggestion",
        "is_anonymous": anonymous,
    }
    with frame.boundary():
        asked = frame.request_id("tasks_propose", *facts.values())
        commands.propose(frame.client(), facts, request_id=asked)
        frame.flash_and_rerun(t("tasks.proposed"))
