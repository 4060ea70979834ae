"""The forms of a ticket's steps: each says what will happen, and does it in one click."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial

import streamlit as st

from backend.tickets import commands, reads, wording
from backend.tickets.choices import DEPARTMENTS, OVER, REASONS, SEVERITIES, TYPES, WAITS
from backend.tickets.models import TicketRef, TicketScreen
from backend.tickets.suggest import Proposal, suggest
from pages.shared import frame
from pages.shared.format import md
from pages.shared.frame import User
from pages.shared.i18n import plain, t
from pages.shared.tickets import causes, closing, insurance, linking, money, one, solutions, telling, words
from pages.shared.tickets.register import said

Panel = Callable[[User, TicketScreen], None]
_HOURS: Mapping[str, Sequence[int]] = {
    "waiting_customer": (4, 24, 48, 72),
    "waiting_return": (72, 168, 240),
}
"""How long one may wait, the usual one second; the database allows no longer."""


def classify(user: User, found: TicketScreen) -> None:
    """Type, severity, cause and department, with what the text proposes and why."""
    ticket = found.ticket
    proposed = suggest(ticket.summary)
    names = causes.names()
    cause_id = causes.by_code(proposed.cause.value) if proposed.cause else None
    key = f"ticket_class_{ticket.id}_{ticket.version}"
    kind = _choice(key, "type", "types", TYPES, ticket.type)
    _why("types", proposed.type, kind)
    with st.container(horizontal=True, gap="small"):
        cause = st.selectbox(
            t("tickets.cause"),
            list(names),
            index=_place(list(names), ticket.root_cause_id or cause_id),
            placeholder=plain("tickets.choose"),
            format_func=lambda one_id: names[one_id],
            key=f"{key}_cause",
        )
        department = st.selectbox(
            t("tickets.department"),
            DEPARTMENTS,
            index=_place(DEPARTMENTS, _department(found, proposed.department)),
            format_func=partial(words.of, "departments"),
            key=f"{key}_department",
        )
    if proposed.cause and cause == cause_id:
        st.caption(f":material/lightbulb: {t('tickets.proposed', words=said(proposed.cause.words))}")
    before = (
        proposed.severity.value if proposed.severity and ticket.state == "registered" else ticket.severity
    )
    severity = _choice(key, "severity", "severities", SEVERITIES, before)
    _why("severities", proposed.severity, severity)
    insured = insurance.choose(ticket.freight_insurance, key=f"{key}_insured")
    if st.button(t("tickets.classify_now"), key="ticket_classify_send", type="primary"):
        facts = {
            "type": kind, "severity": severity, "root_cause_id": cause, "department": department,
            "freight_insurance": insured,
        }  # fmt: skip
        asked = one.mark(found, "classify", sorted(facts.items(), key=str))
        with frame.boundary():
            one.carry_out(
                lambda: commands.classify(frame.client(), one.ref(found), facts, request_id=asked),
                t("tickets.classified"),
            )


def _department(found: TicketScreen, proposed: Proposal | None) -> str | None:
    if found.ticket.state == "registered" and proposed:
        return proposed.value
    return found.ticket.department


def _choice(key: str, name: str, table: str, options: Sequence[str], before: str) -> str:
    return (
        st.pills(
            t(f"tickets.{name}"),
            options,
            default=before,
            required=True,
            format_func=partial(words.of, table),
            key=f"{key}_{name}",
            wrap=True,
        )
        or before
    )


def _why(table: str, proposal: Proposal | None, chosen: str) -> None:
    """What the text proposes: why it is chosen, or that it would be another one."""
    if proposal is None:
        return
    if proposal.value == chosen:
        st.caption(f":material/lightbulb: {t('tickets.proposed', words=said(proposal.words))}")
    else:
        other = words.of(table, proposal.value)
        told = t("tickets.would_be", what=other, words=said(proposal.words))
        st.caption(f":material/lightbulb: {told}")


def _place(options: Sequence[object], value: object) -> int | None:
    return options.index(value) if value in options else None


def wait(user: User, found: TicketScreen) -> None:
    """Wait for the customer or for the goods, for a reason and until when."""
    returns = found.returned is not None and found.returned.state in ("agreed", "goods_sent")
    for_what = st.segmented_control(
        t("tickets.wait_for"),
        ("waiting_customer", "waiting_return"),
        default="waiting_return" if returns else "waiting_customer",
        required=True,
        format_func=partial(words.of, "states"),
        key="ticket_wait_state",
    )
    longest = _HOURS[for_what or "waiting_customer"]
    hours = st.segmented_control(
        t("tickets.wait_until"),
        longest,
        default=longest[1],
        required=True,
        format_func=_in_words,
        key=f"ticket_wait_hours_{for_what}",
    )
    st.caption(t("tickets.wait_text"))
    with st.container(horizontal=True, gap="xsmall"):
        for reason in WAITS[for_what or "waiting_customer"]:
            if st.button(words.of("waits", reason), key=f"ticket_wait_{reason}"):
                _wait(found, for_what or "waiting_customer", reason, hours or longest[1])


def _in_words(hours: int) -> str:
    return t("tickets.in_hours", hours=hours) if hours < 48 else t("tickets.in_days", days=hours // 24)


def _wait(found: TicketScreen, for_what: str, reason: str, hours: int) -> None:
    until = datetime.now(UTC) + timedelta(hours=hours, minutes=-1)
    asked = one.mark(found, "wait", for_what, reason, hours)
    with frame.boundary():
        one.carry_out(
            lambda: commands.wait(frame.client(), one.ref(found), for_what, reason, until, request_id=asked),
            t("tickets.waiting"),
            icon=":material/hourglass_top:",
        )


def resolve(user: User, found: TicketScreen) -> None:
    """How it ended, and what was done: solved is not closed, the customer is asked first."""
    ticket = found.ticket
    if found.resolving.waits_for is not None:
        closing.ask_lead(found, found.resolving.waits_for)
        return
    solution = solutions.offer(found)
    outcome = closing.outcome(found)
    text = st.text_area(
        t("tickets.solution"),
        key=f"ticket_solution_{ticket.id}",
        placeholder=plain("tickets.solution_example"),
        max_chars=2000,
        height=80,
    )
    parcel = ""
    if outcome in ("reshipped", "exchanged"):
        parcel = st.text_input(t("tickets.reship_no"), key=f"ticket_reship_no_{ticket.id}", max_chars=40)
    told = telling.draw(found)
    st.caption(t("tickets.resolve_text"))
    ready = outcome is not None and (bool(text.strip()) or solution is not None)
    ready = ready and (told is None or told.is_ready)
    if st.button(t("tickets.resolve_now"), key="ticket_resolve_send", type="primary", disabled=not ready):
        what = text.strip() or (solution.title if solution else "")
        asked = one.mark(found, "resolve", outcome, what, solution, told, parcel)
        with frame.boundary():
            one.carry_out(
                lambda: commands.resolve(
                    frame.client(),
                    one.ref(found),
                    outcome=outcome or "other",
                    solution=what,
                    solution_id=solution.id if solution else None,
                    told_on=told.channel if told else None,
                    told=telling.checked(user, found, told) if told else "",
                    reason=plain("tickets.warned_reason") if told and told.is_warned else "",
                    reship_tracking_no=parcel.strip() or None,
                    request_id=asked,
                ),
                t("tickets.resolved", number=wording.number(ticket.id)),
                icon=":material/task_alt:",
            )


def _with_reason(step: str, call: Callable[..., object], user: User, found: TicketScreen) -> None:
    """A step that wants to know why: one click on the reason does it."""
    st.caption(t(f"tickets.{step}_text"))
    with st.container(horizontal=True, gap="xsmall"):
        for reason in REASONS[step]:
            if st.button(words.of(step, reason), key=f"ticket_{step}_{reason}"):
                asked = one.mark(found, step, reason)
                with frame.boundary():
                    one.carry_out(
                        partial(call, frame.client(), one.ref(found), reason, request_id=asked),
                        t(f"tickets.{step}_done"),
                    )


def dispatch(user: User, found: TicketScreen) -> None:
    """Hand the case to a colleague, or let the desk choose."""
    people = reads.colleagues(frame.client(), {found.ticket.shop_id})
    people.pop(found.ticket.owner_id or 0, None)
    member_id = st.selectbox(
        t("tickets.reassign_to"),
        list(people),
        index=None,
        placeholder=plain("tickets.choose_auto"),
        format_func=lambda one_: people[one_],
        key="ticket_dispatch_to",
    )
    if st.button(t("tickets.dispatch_now"), key="ticket_dispatch_send", type="primary"):
        asked = one.mark(found, "dispatch", member_id)
        with frame.boundary():
            one.carry_out(
                lambda: commands.dispatch(frame.client(), one.ref(found), member_id, request_id=asked),
                t("tickets.dispatched"),
            )


def merge(user: User, found: TicketScreen) -> None:
    """Merge this ticket into another open one of the same buyer."""
    others = [case for case in found.buyer.tickets if case.state not in OVER]
    if not others:
        st.caption(t("tickets.merge_none"))
        return
    st.caption(t("tickets.merge_text"))
    for case in others:
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.markdown(md(words.case(case)), width="stretch")
            label = t("tickets.merge_into", number=wording.number(case.id))
            if st.button(label, key=f"ticket_merge_{case.id}"):
                _merge(found, TicketRef(case.id, case.version))


def _merge(found: TicketScreen, target: TicketRef) -> None:
    asked = one.mark(found, "merge", target)
    with frame.boundary():
        one.carry_out(
            lambda: commands.merge(frame.client(), one.ref(found), target, request_id=asked),
            t("tickets.merged", number=wording.number(target.id)),
        )


PANELS: Mapping[str, Panel] = {
    "classify": classify,
    "money": money.draw,
    "wait": wait,
    "resolve": resolve,
    "score": closing.score,
    "review": closing.review,
    "reopen": partial(_with_reason, "reopen", commands.reopen),
    "give_back": partial(_with_reason, "give_back", commands.give_back),
    "cancel": partial(_with_reason, "cancel", commands.cancel),
    "dispatch": dispatch,
    "link": linking.draw,
    "merge": merge,
}
