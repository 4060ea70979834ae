"""The head of a ticket: number, deadline, state, whose it is, and the next steps 1 to 4."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import streamlit as st

from backend import deadlines
from backend.tickets import commands, wording
from backend.tickets.models import Clock, TicketScreen
from pages.shared import format as fmt
from pages.shared import frame, widgets
from pages.shared.assignment import why as assigned
from pages.shared.deadlines import drawer
from pages.shared.format import md
from pages.shared.frame import User
from pages.shared.i18n import locale, plain, t
from pages.shared.tickets import approvals, closing, one, panels, words

# Per state the steps worth offering, in the order of Alt+1 to Alt+4; a colleague's case is taken over first.
# Money is 1 and the solution 3 before an approval as after it: hands remember the key, not the state.
STEPS: Mapping[str, Sequence[str]] = {
    "registered": ("classify", "take"),
    "classified": ("take", "classify"),
    "dispatched": ("take", "classify"),
    "in_progress": ("take", "money", "wait", "resolve", "classify"),
    "waiting_customer": ("resume", "take", "classify"),
    "waiting_return": ("resume", "take", "classify"),
    "pending_approval": ("approval", "take"),
    "approved": ("take", "money", "resume", "resolve"),
    "resolved": ("score", "take", "reopen"),
    "revisit": ("score", "take", "reopen"),
    "review": ("review", "take"),
    "closed": ("reopen",),
}
RPCS: Mapping[str, str] = {
    "classify": "classify_ticket",
    "take": "take_ticket",
    "money": "request_money",
    "wait": "wait_ticket",
    "resolve": "resolve_ticket",
    "resume": "resume_ticket",
    "score": "record_score",
    "reopen": "reopen_ticket",
    "review": "finish_review",
    "approval": "decide_approval",
    "give_back": "give_back_ticket",
    "dispatch": "dispatch_ticket",
    "link": "link_ticket",
    "merge": "merge_tickets",
    "cancel": "cancel_ticket",
}
_RARE = ("link", "give_back", "dispatch", "merge", "cancel")
_ICONS = {
    "classify": ":material/category:",
    "take": ":material/front_hand:",
    "money": ":material/payments:",
    "wait": ":material/hourglass_top:",
    "resolve": ":material/task_alt:",
    "resume": ":material/play_arrow:",
    "score": ":material/star:",
    "reopen": ":material/lock_open:",
    "review": ":material/rate_review:",
    "approval": ":material/approval:",
    "give_back": ":material/undo:",
    "dispatch": ":material/assignment_ind:",
    "link": ":material/add_link:",
    "merge": ":material/call_merge:",
    "cancel": ":material/block:",
}
_MORE = "ticket_more"
_MAIN = {"approved": "resolve"}  # the step to take where it is not the first
_CALM = ("in_progress", "resolved", "closed")  # here no step is the one to take
_CLICKS = ("take", "resume", "approval")  # these need no form


def draw(user: User, found: TicketScreen) -> None:
    """The head, and the panel of the step that is open."""
    _names(found)
    _facts(user, found)
    _steps(user, found)
    step = one.acting(found.ticket.id)
    if step and step not in _CLICKS and RPCS[step] in found.can:
        with st.container(border=True, gap="small", key=f"ticket_panel_{step}"):
            panels.PANELS[step](user, found)


def _names(found: TicketScreen) -> None:
    ticket = found.ticket
    number = wording.number(ticket.id)
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="ticket_head"):
        st.header(number, anchor=False, width="content")
        widgets.copy_button(number, key="ticket_copy")
        st.markdown(
            f"{words.chips(ticket)} :blue-badge[{md(words.of('states', ticket.state))}]", width="content"
        )
        assigned.button("ticket", ticket.id)


def _facts(user: User, found: TicketScreen) -> None:
    ticket = found.ticket
    parts = (
        ticket.shop_name,
        words.of("channels", ticket.channel),
        plain("tickets.owned_by", who=words.owner(ticket.owner_id, ticket.owner_name, user.id)),
        plain("tickets.registered_at", at=frame.clock(ticket.registered_at), who=ticket.registered_by or ""),
        ticket.root_cause or "",
        words.of("departments", ticket.department) if ticket.department else "",
    )
    st.caption(md(" · ".join(part for part in parts if part)))
    if ticket.waiting_reason:
        why, until = words.of("waits", ticket.waiting_reason), frame.clock(ticket.waiting_until)
        st.caption(f":material/hourglass_top: {t('tickets.waits', why=why, until=until)}")
    _clocks(found)
    if ticket.summary:
        with st.container(border=True, key="ticket_summary"):
            st.markdown(f"{md(ticket.summary)}{_extra(found)}")
            if ticket.outcome:
                done = words.of("outcomes", ticket.outcome)
                st.markdown(f":material/task_alt: **{md(done)}** {md(ticket.solution or '')}")
    closing.findings(found)


def _clocks(found: TicketScreen) -> None:
    """The deadlines that still run, by name, and why they are due then."""
    parts = [_clock(clock) for clock in found.clocks]
    with st.container(horizontal=True, vertical_alignment="center", gap="medium", key="ticket_clocks"):
        if any(parts):
            st.markdown(" · ".join(part for part in parts if part), width="content")
        drawer.button("ticket", found.ticket.id)


def _clock(clock: Clock) -> str:
    """Markdown of a deadline; empty for one that is over."""
    due = fmt.due(clock.due_at, state=clock.state, lang=locale())
    name = deadlines.area_words(f"{clock.entity}.{clock.target}", locale())
    return "" if due.state == "none" else f"{widgets.due_chip(due)} :gray[{md(name)}]"


def _extra(found: TicketScreen) -> str:
    """Goods, amount asked for and insurance behind the customer's words. Markdown."""
    ticket = found.ticket
    goods = ticket.product_name or ticket.sku
    facts = [
        f"{goods} × {ticket.quantity or 1}" if goods else "",
        plain("tickets.claims", amount=fmt.money(ticket.claimed_amount)) if ticket.claimed_amount else "",
        _insured(ticket.freight_insurance),
        plain("tickets.ref", number=ticket.platform_ref) if ticket.platform_ref else "",
    ]
    shown = md(" · ".join(fact for fact in facts if fact))
    return f"  \n:gray[{shown}]" if shown else ""


def _insured(paid_by: str | None) -> str:
    return plain("tickets.insured", who=words.of("insurances", paid_by)) if paid_by else ""


def _steps(user: User, found: TicketScreen) -> None:
    ticket = found.ticket
    offered = [step for step in STEPS.get(ticket.state, ()) if RPCS[step] in found.can]
    if "resume" in offered and found.is_mine and "take" in offered:
        offered.remove("take")  # of my own case they are one
    rare = [step for step in _RARE if RPCS[step] in found.can]
    with st.container(horizontal=True, gap="xsmall", key="ticket_steps"):
        for n, step in enumerate(offered, start=1):
            is_main = step == _MAIN.get(ticket.state, offered[0])
            _step(found, step, f"Alt+{n}", first=is_main and ticket.state not in _CALM)
        if rare:
            more = st.popover(
                t("tickets.more"), icon=":material/more_horiz:", key=_MORE, on_change="rerun"
            )  # told of, so that the click inside can close it
            with more:
                for step in rare:
                    _step(found, step, None, first=False)
    if ticket.state == "pending_approval":
        approvals.draw(found)
    elif not offered and (why := refusal(found)):
        st.caption(f":material/lock: {md(why)}")


def refusal(found: TicketScreen) -> str:
    """Why the first step of this state is not mine, in words; empty when nothing is known of it."""
    for step in STEPS.get(found.ticket.state, ()):
        if key := found.why.get(RPCS[step]):
            ticket = found.ticket
            return words.refusal(key, {"id": ticket.id, "who": ticket.owner_name})
    return ""


def _step(found: TicketScreen, step: str, shortcut: str | None, *, first: bool) -> None:
    ticket = found.ticket
    calls: Mapping[str, Callable[[TicketScreen], None]] = {
        "take": _take,
        "resume": _resume,
        "approval": approvals.go,
    }
    is_open = one.acting(ticket.id) == step
    clicked = st.button(
        t(f"tickets.step.{_label(found, step)}"),
        key=f"ticket_step_{step}",
        icon=_ICONS[step],
        type="primary" if is_open or (first and one.acting(ticket.id) is None) else "secondary",
        shortcut=shortcut,
        on_click=None if step in calls else partial(_open, ticket.id, step),
    )
    if clicked and step in calls:
        with frame.boundary():
            calls[step](found)


def _open(ticket_id: int, step: str) -> None:
    """Shows the panel of a step, and nothing above it."""
    one.act(ticket_id, step)
    if _MORE in st.session_state:
        st.session_state[_MORE] = False


def _label(found: TicketScreen, step: str) -> str:
    if step == "take" and found.ticket.owner_id is not None:
        return "start" if found.is_mine else "take_over"
    return step


def _take(found: TicketScreen) -> None:
    one.carry_out(
        lambda: commands.take(frame.client(), one.ref(found), request_id=one.mark(found, "take")),
        t("tickets.taken", number=wording.number(found.ticket.id)),
    )


def _resume(found: TicketScreen) -> None:
    one.carry_out(
        lambda: commands.resume(frame.client(), one.ref(found), request_id=one.mark(found, "resume")),
        t("tickets.resumed"),
    )
