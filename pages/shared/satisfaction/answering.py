"""评分: what customers answered, latest first."""

from __future__ import annotations

import streamlit as st

from backend.tickets import surveys
from backend.tickets.surveys import Survey
from pages.shared import frame
from pages.shared.format import md
from pages.shared.frame import User
from pages.shared.i18n import plain, t
from pages.shared.satisfaction import filters, parts


def draw(_: User) -> None:
    """The answers of my shops, all or those of one score."""
    score = st.pills(
        t("satisfaction.by_score"),
        surveys.SCORES,
        format_func=lambda value: plain("satisfaction.score", score=value),
        key="satisfaction_only",
        label_visibility="collapsed",
    )
    marks = (filters.shop_id(), score)
    page = surveys.invitations(
        frame.client(),
        {
            "tab": "answers",
            "shop_id": filters.shop_id(),
            "score": score,
            "limit": parts.PAGE,
            "after": parts.after("satisfaction_answers", *marks),
        },
    )
    if not page.rows:
        parts.nothing("answers")
        return
    for one in page.rows:
        _line(one)
    parts.pager("satisfaction_answers", page.next, len(page.rows))


def _line(one: Survey) -> None:
    with st.container(border=True, key=f"satisfaction_answer_{one.id}", gap="xsmall"):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            said = parts.facts(
                plain(f"satisfaction.kind.{one.kind}"),
                one.shop_name,
                frame.clock(one.answered_at),
                _by(one),
                plain("satisfaction.handler", who=one.handler) if one.handler else None,
            )
            st.markdown(f"{parts.stars(one.score)} **{md(one.label)}** {said}", width="stretch")
            parts.ticket_link(one.ticket_id or one.case_id)
        parts.quote(one.comment)


def _by(one: Survey) -> str:
    if one.answered_as == "link":
        return plain("satisfaction.by_link")
    return plain(f"satisfaction.by_{one.answered_as}", who=one.answered_by or "—")
