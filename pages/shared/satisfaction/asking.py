"""待邀请: whom to ask next, the text to copy, and one click for what the customer answers."""

from __future__ import annotations

import streamlit as st

from backend import config
from backend.tickets import surveys
from backend.tickets.surveys import Answered, Survey
from pages.shared import frame, widgets
from pages.shared.format import md
from pages.shared.frame import User
from pages.shared.i18n import plain, t
from pages.shared.satisfaction import filters, parts

_WORKERS = ("agent", "operations", "manager", "admin")
_LINK = "satisfaction_link"
_COMMENT = "satisfaction_comment"


def draw(user: User) -> None:
    """Open invitations, soonest first."""
    wanted = {"tab": "ask", "shop_id": filters.shop_id(), "limit": parts.PAGE}
    page = surveys.invitations(
        frame.client(), {**wanted, "after": parts.after("satisfaction_ask", filters.shop_id())}
    )
    if not page.rows:
        parts.nothing("ask")
        return
    st.caption(t("satisfaction.ask_hint"))
    for one in page.rows:
        _line(user, one)
    parts.pager("satisfaction_ask", page.next, len(page.rows))


def _line(user: User, one: Survey) -> None:
    with (
        st.container(border=True, key=f"satisfaction_ask_{one.id}"),
        st.container(horizontal=True, vertical_alignment="center", gap="small"),
    ):
        due = widgets.due_chip(widgets.due_of(one.due_at.isoformat()))
        todo = plain(f"satisfaction.todo.{_todo(one)}")
        about = plain(f"satisfaction.kind.{one.kind}")
        holder = plain("satisfaction.holder", who=one.holder) if one.holder else None
        words = parts.facts(todo, about, one.shop_name, one.buyer_account or one.receiver_masked, holder)
        st.markdown(due or " ", width=100)
        st.markdown(f"**{md(one.label)}**", width=170)
        st.markdown(words, width="stretch")
        if user.has(*_WORKERS) and st.button(
            t("satisfaction.open"),
            key=f"satisfaction_open_{one.id}",
            icon=":material/edit_note:",
            type="tertiary",
        ):
            show(one.id)


def _todo(one: Survey) -> str:
    if one.state == "waiting":
        return "ask"
    return "call" if one.is_sampled and not one.is_called else "wait"


def show(survey_id: int) -> None:
    """Opens the drawer of an invitation."""
    st.query_params["survey"] = str(survey_id)
    st.rerun()


def _close() -> None:
    st.query_params.pop("survey", None)
    st.session_state.pop(_LINK, None)


def dialog(user: User) -> None:
    """The drawer of the invitation that the address names."""
    text = st.query_params.get("survey", "")
    if text.isdigit() and len(text) < 19 and user.has(*_WORKERS):
        st.dialog(
            t("satisfaction.invite"),
            width="medium",
            position="right",
            icon=":material/star:",
            on_dismiss=_close,
        )(_body)(int(text))


def _body(survey_id: int) -> None:
    with frame.boundary():
        found = surveys.invitations(frame.client(), {"survey_id": survey_id})
        if not found.rows:
            st.info(t("satisfaction.gone"))
            return
        one = found.rows[0]
        subject = {"ticket_id": one.ticket_id} if one.ticket_id else {"order_id": one.order_id}
        invitation = surveys.invitation(frame.client(), **subject)
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.markdown(parts.facts(one.shop_name, one.buyer_account), width="stretch")
            parts.ticket_link(one.ticket_id or one.case_id)
            parts.order_link(one.order_id, one.order_no)
        if one.state not in ("waiting", "asked"):
            st.markdown(f"{parts.stars(one.score)} {t(f'satisfaction.state.{one.state}')}")
            parts.quote(one.comment)
            return
        _text(invitation.text)
        if not one.can_record:
            _whose(one)
            return
        if invitation.can_link:
            _link(one)
        _answer(one, invitation.low_score)


def _whose(one: Survey) -> None:
    """Why the answer is not mine to record yet; a free customer of an order is claimed here."""
    if one.kind == "ticket":
        st.caption(f":material/lock: {t('satisfaction.of_ticket')}")
    elif one.holder:
        st.caption(f":material/lock: {t('satisfaction.held', who=md(one.holder))}")
    else:
        st.caption(t("satisfaction.claim_text"))
        if st.button(
            t("satisfaction.claim"),
            icon=":material/front_hand:",
            type="primary",
            key="satisfaction_claim",
        ):
            asked = frame.request_id("satisfaction_claim", one.id, one.version)
            surveys.claim(frame.client(), one.id, request_id=asked)
            frame.flash_and_rerun(t("satisfaction.claimed"))


def _text(text: str) -> None:
    st.caption(t("satisfaction.copy_hint"))
    parts.quote(text)
    widgets.copy_button(text, key="satisfaction_copy", label=plain("satisfaction.copy"))


def _link(one: Survey) -> None:
    """For customers of the private domain: a link that is shown once."""
    address = config.deployment().public_url
    if not address:
        st.caption(t("satisfaction.link_needs_address"))
        return
    made: tuple[int, str] | None = st.session_state.get(_LINK)
    if made and made[0] == one.id:
        st.code(made[1], language=None, wrap_lines=True)
        widgets.copy_button(made[1], key="satisfaction_copy_link", label=plain("satisfaction.copy_link"))
        return
    if st.button(t("satisfaction.make_link"), icon=":material/link:", key="satisfaction_make_link"):
        asked = frame.request_id("satisfaction_link", one.id, one.version)
        st.session_state[_LINK] = (
            one.id,
            surveys.link(frame.client(), one.id, public_url=address, request_id=asked),
        )
        frame.done()
        st.rerun()


def _answer(one: Survey, low: int) -> None:
    st.markdown(f"**{t('satisfaction.answer')}**")
    comment = st.text_area(
        t("satisfaction.comment"), key=f"{_COMMENT}_{one.id}", max_chars=surveys.MOST_COMMENT, height=80
    )
    called = st.checkbox(
        t("satisfaction.called"), key=f"satisfaction_called_{one.id}", value=_todo(one) == "call"
    )
    with st.container(horizontal=True, gap="xsmall"):
        for score in surveys.SCORES:
            if st.button(t("satisfaction.score", score=score), key=f"satisfaction_score_{score}"):
                _record(one, score, comment, called)
    st.caption(t("satisfaction.low_hint", low=low))
    if st.button(t("satisfaction.no_answer"), key="satisfaction_no_answer", type="tertiary"):
        _record(one, None, comment, called)


def _record(one: Survey, score: int | None, comment: str, called: bool) -> None:
    asked = frame.request_id("satisfaction_record", one.id, one.version, score, comment, called)
    done = surveys.record(
        frame.client(), {"survey_id": one.id}, score, comment=comment, called=called, request_id=asked
    )
    _close()
    frame.flash_and_rerun(_told(done, score))


def _told(done: Answered, score: int | None) -> str:
    if score is None:
        return t("satisfaction.asked")
    if done.ticket_id and done.ticket_state != "closed":
        return t("satisfaction.recorded_low", score=score, ticket=f"T-{done.ticket_id}")
    return t("satisfaction.recorded", score=score)
