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

_OPENED = "satisfaction_correcting"


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
            if one.can_correct:
                st.button(
                    t("satisfaction.correct"),
                    key=f"satisfaction_correct_{one.id}",
                    type="tertiary",
                    on_click=_open,
                    args=(one,),
                )
        parts.quote(one.comment)
        if one.first_score is not None:
            who = one.corrected_by or "—"
            st.caption(md(plain("satisfaction.was", score=one.first_score, who=who)))


def _open(one: Survey) -> None:
    st.session_state[_OPENED] = one


def _close() -> None:
    st.session_state.pop(_OPENED, None)


def dialog() -> None:
    """The form that puts the score right which was opened."""
    one: Survey | None = st.session_state.get(_OPENED)
    if one is not None:
        title = t("satisfaction.correct_of", subject=one.label)
        st.dialog(title, width="small", position="right", icon=":material/edit:", on_dismiss=_close)(_body)(
            one
        )


def _body(one: Survey) -> None:
    st.caption(t("satisfaction.correct_text"))
    st.markdown(parts.stars(one.score))
    parts.quote(one.comment)
    score = st.pills(
        t("satisfaction.correct_score"),
        [value for value in surveys.SCORES if value != one.score],
        format_func=lambda value: plain("satisfaction.score", score=value),
        key=f"satisfaction_correct_to_{one.id}",
    )
    reason = st.text_input(
        t("satisfaction.correct_reason"), key=f"satisfaction_correct_why_{one.id}", max_chars=300
    ).strip()
    if st.button(
        t("satisfaction.correct_now"),
        key="satisfaction_correct_now",
        type="primary",
        disabled=score is None or len(reason) < 2,
    ):
        with frame.boundary():
            asked = frame.request_id("satisfaction_correct", one.id, one.version, score, reason)
            surveys.correct(frame.client(), one.id, one.version, score or 0, reason, request_id=asked)
            _close()
            frame.flash_and_rerun(t("satisfaction.correct_done", score=score or 0, before=one.score or 0))


def _by(one: Survey) -> str:
    if one.answered_as == "link":
        return plain("satisfaction.by_link")
    return plain(f"satisfaction.by_{one.answered_as}", who=one.answered_by or "—")
