"""The end of a case: its outcome, what stands before it, the customer's score, the review of a low one."""

from __future__ import annotations

from functools import partial
from typing import Final, Literal

import streamlit as st

from backend.tickets import money, surveys, wording
from backend.tickets.choices import OUTCOMES
from backend.tickets.models import TicketScreen
from pages.shared import frame, home_links, widgets
from pages.shared.format import md
from pages.shared.frame import User
from pages.shared.i18n import plain, t
from pages.shared.tickets import causes, one, words

_THEN: Final[tuple[Literal["close", "rework"], ...]] = ("close", "rework")


def outcome(found: TicketScreen) -> str | None:
    """How it ended, out of what is true: what costs money is offered once the money is there, and says so."""
    ticket = found.ticket
    usual = OUTCOMES[ticket.type]
    offered = [name for name in usual if name not in found.resolving.uncovered]
    chosen: str | None = st.pills(
        t("tickets.outcome"),
        offered,
        default=usual[0] if usual[0] in offered else None,
        format_func=partial(words.of, "outcomes"),
        key=f"ticket_outcome_{ticket.id}",
        wrap=True,
    )
    missing = plain("tickets.joiner").join(
        words.of("outcomes", name) for name in usual if name not in offered
    )
    if missing:
        st.caption(f":material/lock: {t('tickets.outcome_missing', outcomes=missing)}")
    return chosen


def ask_lead(found: TicketScreen, who: str) -> None:
    """A complaint ends when somebody who may has seen how: one click asks him, at ¥0."""
    st.warning(t("tickets.complaint_lead", who=who), icon=":material/approval:")
    how = st.text_input(
        t("tickets.solution"),
        key=f"ticket_complaint_how_{found.ticket.id}",
        placeholder=plain("tickets.complaint_example"),
        max_chars=300,
    ).strip()
    if st.button(t("tickets.complaint_ask"), key="ticket_complaint_ask", type="primary", disabled=not how):
        facts = {"kind": "compensation", "amount": "0.00", "reason": how}
        with frame.boundary():
            one.carry_out(
                lambda: money.request(
                    frame.client(), one.ref(found), facts, request_id=one.mark(found, "complaint", how)
                ),
                t("tickets.complaint_asked", who=who),
                icon=":material/approval:",
            )


def score(user: User, found: TicketScreen) -> None:
    """回访: a text to copy for the customer's chat, and one click for what he answers."""
    ticket = found.ticket
    asking = surveys.invitation(frame.client(), ticket_id=ticket.id)
    st.caption(t("tickets.score_text"))
    st.markdown(f"> {md(asking.text)}")
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        widgets.copy_button(asking.text, key="ticket_survey_copy", label=plain("tickets.copy_survey"))
        if asking.can_link:
            survey = {"survey": str(asking.id)}
            home_links.link(t("tickets.survey_link"), "satisfaction", query=survey, icon=":material/link:")
    comment = st.text_input(
        t("tickets.score_comment"), key=f"ticket_score_comment_{ticket.instance}", max_chars=300
    )
    called = st.checkbox(t("tickets.score_called"), key=f"ticket_score_called_{ticket.instance}")
    with st.container(horizontal=True, gap="xsmall"):
        for value in surveys.SCORES:
            if st.button(t("tickets.score_n", score=value), key=f"ticket_score_{value}"):
                _record(found, value, comment, called)
        if st.button(t("tickets.score_none"), key="ticket_score_none", type="tertiary"):
            _record(found, None, comment, called)


def _record(found: TicketScreen, value: int | None, comment: str, called: bool) -> None:
    asked = one.mark(found, "score", value, comment, called)
    told = t("tickets.scored", score=value) if value else t("tickets.asked")
    with frame.boundary():
        one.carry_out(
            lambda: surveys.record(
                frame.client(),
                {"ticket_id": found.ticket.id},
                value,
                comment=comment.strip(),
                called=called,
                request_id=asked,
            ),
            told,
            icon=":material/star:",
        )


def review(user: User, found: TicketScreen) -> None:
    """低分复盘: what was found, the root cause, and whether the case is closed or worked on again."""
    ticket = found.ticket
    names = causes.names()
    options = list(names)
    st.caption(t("tickets.review_text", score=ticket.score or 0))
    cause = st.selectbox(
        t("tickets.cause"),
        options,
        index=options.index(ticket.root_cause_id) if ticket.root_cause_id in options else None,
        placeholder=plain("tickets.choose"),
        format_func=lambda one_: names[one_],
        key=f"ticket_review_cause_{ticket.id}",
    )
    finding = st.text_area(
        t("tickets.finding"),
        key=f"ticket_finding_{ticket.id}",
        placeholder=plain("tickets.finding_example"),
        max_chars=1000,
        height=80,
    )
    ready = cause is not None and len(finding.strip()) > 1
    with st.container(horizontal=True, gap="small"):
        for then in _THEN:
            if st.button(
                t(f"tickets.review_{then}"),
                key=f"ticket_review_{then}",
                type="primary" if then == "close" else "secondary",
                disabled=not ready,
            ):
                _finish(found, finding.strip(), cause or 0, then)


def findings(found: TicketScreen) -> None:
    """What low scores of this case led to: who looks at it, or what was found."""
    for one_ in found.reviews:
        with st.container(border=True, gap="xxsmall", key=f"ticket_review_{one_.id}"):
            head = plain("tickets.review_head", score=one_.score)
            st.markdown(f":red-badge[:material/sentiment_dissatisfied: {md(head)}]")
            if one_.comment:
                st.markdown(f"> {md(one_.comment)}")
            if one_.finding:
                told = (one_.root_cause or "", one_.done_by or "", frame.clock(one_.done_at))
                st.markdown(f":material/task_alt: {md(one_.finding)}")
                st.caption(md(" · ".join(part for part in told if part)))
            elif one_.state == "open":
                st.caption(t("tickets.review_waits", who=one_.owner or plain("tickets.nobody_yet")))
            else:
                st.caption(t("tickets.review_withdrawn"))


def _finish(found: TicketScreen, finding: str, cause: int, then: Literal["close", "rework"]) -> None:
    with frame.boundary():
        one.carry_out(
            lambda: surveys.finish_review(
                frame.client(),
                found.ticket.id,
                found.ticket.version,
                finding=finding,
                root_cause_id=cause,
                then=then,
                request_id=one.mark(found, "review", then, cause, finding),
            ),
            t(f"tickets.reviewed_{then}", number=wording.number(found.ticket.id)),
            icon=":material/rate_review:",
        )
