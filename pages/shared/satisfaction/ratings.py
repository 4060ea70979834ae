"""平台评价: what customers said on the platforms, from imported files."""

from __future__ import annotations

import streamlit as st

from backend.tickets import surveys
from backend.tickets.surveys import Rating
from pages.shared import frame
from pages.shared.format import md
from pages.shared.frame import User
from pages.shared.i18n import plain, t
from pages.shared.satisfaction import filters, parts


def draw(_: User) -> None:
    """Ratings of my shops, all or the low ones."""
    low = filters.flag("low", t("satisfaction.only_low"))
    page = surveys.ratings(
        frame.client(),
        {
            "shop_id": filters.shop_id(),
            "low": low or None,
            "limit": parts.PAGE,
            "after": parts.after("satisfaction_ratings", filters.shop_id(), low),
        },
    )
    if not page.rows:
        parts.nothing("ratings")
        return
    for one in page.rows:
        _line(one)
    parts.pager("satisfaction_ratings", page.next, len(page.rows))


def _line(one: Rating) -> None:
    with st.container(border=True, key=f"satisfaction_rating_{one.id}", gap="xsmall"):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            grade = plain(f"satisfaction.level.{one.level}") if one.level else None
            said = parts.facts(
                grade,
                one.order_no if one.ticket_id or not one.order_id else None,
                one.shop_name,
                plain("satisfaction.nick", who=one.agent) if one.agent else None,
                frame.clock(one.rated_at),
            )
            st.markdown(f"{parts.stars(one.score)} {said}", width="stretch")
            parts.ticket_link(one.ticket_id)
            if not one.ticket_id:
                parts.order_link(one.order_id, one.order_no)
        if one.text:
            st.markdown(f"> {md(one.text)}")
