"""低分复盘: what every low score still needs: a finding and a root cause, within a day."""

from __future__ import annotations

from typing import Final, Literal

import streamlit as st

from backend.tickets import surveys, wording
from backend.tickets.surveys import Review
from pages.shared import frame, widgets
from pages.shared.format import md
from pages.shared.frame import User
from pages.shared.i18n import locale, plain, t
from pages.shared.satisfaction import filters, parts
from pages.shared.tickets import causes

_OPENED = "satisfaction_review"
_THEN: Final[tuple[Literal["close", "rework"], ...]] = ("close", "rework")


def draw(_: User) -> None:
    """Open reviews, oldest first; those that are done on a switch."""
    done = filters.flag("done", t("satisfaction.only_done"))
    page = surveys.reviews(
        frame.client(),
        {
            "state": "done" if done else "open",
            "shop_id": filters.shop_id(),
            "limit": parts.PAGE,
            "after": parts.after("satisfaction_low", filters.shop_id(), done),
        },
    )
    if not page.rows:
        parts.nothing("done" if done else "low")
        return
    for one in page.rows:
        _line(one)
    parts.pager("satisfaction_low", page.next, len(page.rows))


def _line(one: Review) -> None:
    with st.container(border=True, key=f"satisfaction_low_{one.id}", gap="xsmall"):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            due = widgets.due_chip(widgets.due_of(one.due_at.isoformat())) if one.due_at else ""
            said = parts.facts(
                wording.label("types", one.type, locale()),
                one.shop_name,
                plain("satisfaction.handler", who=one.handler) if one.handler else None,
                plain("satisfaction.lead", who=one.owner) if one.owner and one.state == "open" else None,
            )
            st.markdown(f"{due} {parts.stars(one.score, low=5)} {said}", width="stretch")
            parts.ticket_link(one.ticket_id)
            if one.state == "open" and one.can_finish:
                st.button(
                    t("satisfaction.review"),
                    key=f"satisfaction_review_{one.id}",
                    type="primary",
                    on_click=_open,
                    args=(one,),
                )
        parts.quote(one.comment or one.summary)
        if one.finding:
            who = parts.facts(one.root_cause, one.done_by, frame.clock(one.done_at))
            st.markdown(f":material/task_alt: {md(one.finding)}  \n:gray[{who}]")


def _open(one: Review) -> None:
    st.session_state[_OPENED] = one


def _close() -> None:
    st.session_state.pop(_OPENED, None)


def dialog() -> None:
    """The form of the review that was opened."""
    one: Review | None = st.session_state.get(_OPENED)
    if one is not None:
        title = t("satisfaction.review_of", ticket=f"T-{one.ticket_id}")
        st.dialog(title, width="medium", position="right", icon=":material/rate_review:", on_dismiss=_close)(
            _body
        )(one)


def _body(one: Review) -> None:
    st.markdown(f"{parts.stars(one.score, low=5)} {parts.facts(one.shop_name, one.handler)}")
    parts.quote(one.comment or one.summary)
    names = causes.names()
    finding = st.text_area(
        t("satisfaction.finding"),
        key=f"satisfaction_finding_{one.id}",
        placeholder=plain("satisfaction.finding_example"),
        max_chars=1000,
        height=110,
    )
    cause = st.selectbox(
        t("satisfaction.cause"),
        list(names),
        index=None,
        placeholder=plain("satisfaction.choose"),
        format_func=lambda number: names[number],
        key=f"satisfaction_cause_{one.id}",
    )
    st.caption(
        t("satisfaction.review_hint") if one.ticket_state == "review" else t("satisfaction.case_goes_on")
    )
    ready = cause is not None and len(finding.strip()) > 1
    with st.container(horizontal=True, gap="small"):
        for then in _THEN if one.ticket_state == "review" else _THEN[:1]:
            if st.button(
                t(f"satisfaction.then.{then}"),
                key=f"satisfaction_then_{then}",
                type="primary" if then == "close" else "secondary",
                disabled=not ready,
            ):
                with frame.boundary():
                    _finish(one, finding.strip(), cause or 0, then)


def _finish(one: Review, finding: str, cause: int, then: Literal["close", "rework"]) -> None:
    surveys.finish_review(
        frame.client(),
        one.ticket_id,
        one.ticket_version,
        finding=finding,
        root_cause_id=cause,
        then=then,
        request_id=frame.request_id("satisfaction_finish", one.id, finding, cause, then),
    )
    _close()
    frame.flash_and_rerun(t(f"satisfaction.reviewed.{then}", ticket=f"T-{one.ticket_id}"))
