"""One lead: head and steps, the contact, promises, what was said and done, who had it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import streamlit as st

from backend.leads import commands, reads, wording
from backend.leads.models import Event, LeadRow, LeadScreen, PromiseRow
from pages.shared import format as fmt
from pages.shared import frame, revealing, session, widgets
from pages.shared.assignment import why as assigned
from pages.shared.deadlines import drawer
from pages.shared.format import md
from pages.shared.frame import User
from pages.shared.i18n import locale, plain, t
from pages.shared.leads import panels, state, words
from pages.shared.library import talk

_CONTACT = ("name", "phone", "wechat", "email", "buyer_account", "note")
_RPCS: Mapping[str, str] = {
    "follow_up": "follow_up_lead",
    "promise": "make_promise",
    "convert": "convert_lead",
    "lose": "lose_lead",
    "claim": "claim_lead",
    "take_over": "take_over_lead",
    "grade": "grade_lead",
    "facts": "update_lead",
    "transfer": "transfer_lead",
    "give_back": "give_back_leads",
    "assign": "assign_leads",
    "reopen": "reopen_lead",
}
_STEPS = ("claim", "follow_up", "promise", "convert", "lose", "reopen")
_RARE = ("take_over", "facts", "grade", "assign", "transfer", "give_back")
_ICONS = {
    "follow_up": ":material/call:",
    "promise": ":material/handshake:",
    "convert": ":material/shopping_cart_checkout:",
    "lose": ":material/person_off:",
    "claim": ":material/front_hand:",
    "take_over": ":material/swap_horiz:",
    "grade": ":material/grade:",
    "facts": ":material/edit:",
    "transfer": ":material/support_agent:",
    "give_back": ":material/undo:",
    "assign": ":material/assignment_ind:",
    "reopen": ":material/lock_open:",
}
_SHOWN = 30


def draw(user: User, lead_id: int) -> None:
    """The page of a lead."""
    if st.button(t("leads.to_board"), key="lead_back", icon=":material/arrow_back:", type="tertiary"):
        state.to_board()
    with frame.boundary():
        found = reads.screen(frame.client(), lead_id)
        st.set_page_config(page_title=f"{wording.number(lead_id)} · {plain('common.product')}")
        if found.lead is None:
            _case(found, lead_id)
            return
        narrow = session.width() == "narrow"
        left, right = (st.container(), st.container()) if narrow else st.columns([3, 2], gap="medium")
        with left:
            _head(user, found, found.lead)
            _follow_ups(found)
            _timeline(found)
        with right:
            _contact(user, found, found.lead)
            row = found.lead
            talk.beside(user, shop_id=row.shop_id, area="presales", stage=row.stage, case=("lead", row.id))
            _promises(user, found)
            _merges(found)
            _around(found)


def _case(found: LeadScreen, lead_id: int) -> None:
    """A colleague's lead: how it stands, and taking it over."""
    st.header(wording.number(lead_id), anchor=False)
    if found.case is None:
        return
    st.info(t("leads.colleagues", who=found.case.owner_name or ""), icon=":material/group:")
    st.markdown(md(words.case(found.case)))
    for made in found.case.promises:
        st.markdown(f":material/handshake: {md(made.what)} · {md(frame.clock(made.due_at))}")
    if "take_over_lead" in found.can and st.button(
        t("leads.step.take_over"), key="lead_take_over", icon=_ICONS["take_over"]
    ):
        _take_over(found.case.id, found.case.version)


def _head(user: User, found: LeadScreen, row: LeadRow) -> None:
    number = wording.number(row.id)
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="lead_head"):
        st.header(f"{number} {words.name(row)}", anchor=False, width="content")
        widgets.copy_button(number, key="lead_copy")
        st.markdown(f"{words.chips(row)} :blue-badge[{md(words.standing(row))}]", width="content")
        assigned.button("lead", row.id)
    facts = (
        row.shop_name,
        words.of("sources", row.source),
        plain("leads.owned_by", who=words.owner(row.owner_id, row.owner_name, user.id)),
        plain("leads.captured_at", at=frame.clock(row.captured_at)),
        words.of("memberships", row.membership),
    )
    st.caption(md(" · ".join(fact for fact in facts if fact)))
    st.caption(f":material/lightbulb: {md(wording.why_grade(row.grade, found.grade_reasons, locale()))}")
    if found.bought_as:
        told = t("leads.bought_as", number=wording.number(found.bought_as.id))
        st.info(told, icon=":material/shopping_cart_checkout:")
    with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
        if chip := widgets.due_chip(words.due(row)):
            st.markdown(chip, width="content")
        if row.next_step:
            told = f"{words.of('next_steps', row.next_step)} · {frame.clock(row.next_at)}"
            st.markdown(f":material/event: {md(told)}", width="content")
        if row.closed_at is None:
            drawer.button("lead", row.id)
    _steps(user, found, row)


def _steps(user: User, found: LeadScreen, row: LeadRow) -> None:
    offered = [step for step in _STEPS if _RPCS[step] in found.can]
    rare = [
        step for step in _RARE if _RPCS[step] in found.can and not (found.is_mine and step == "take_over")
    ]
    with st.container(horizontal=True, gap="xsmall", key="lead_steps"):
        for n, step in enumerate(offered, start=1):
            _step(row, step, f"Alt+{n}", first=n == 1)
        if rare:
            with st.popover(t("leads.more"), icon=":material/more_horiz:", key="lead_more"):
                for step in rare:
                    _step(row, step, None, first=False)
    step = state.acting(row.id)
    if step in panels.PANELS and _RPCS[step] in found.can:
        with st.container(border=True, gap="small", key=f"lead_panel_{step}"):
            panels.PANELS[step](user, found)


def _step(row: LeadRow, step: str, shortcut: str | None, *, first: bool) -> None:
    clicks: Mapping[str, Callable[[], None]] = {
        "claim": partial(_claim, row),
        "take_over": partial(_take_over, row.id, row.version),
    }
    opened = state.acting(row.id)
    clicked = st.button(
        t(f"leads.step.{step}"),
        key=f"lead_step_{step}",
        icon=_ICONS[step],
        type="primary" if opened == step or (first and opened is None) else "secondary",
        shortcut=shortcut,
        on_click=None if step in clicks else partial(state.act, row.id, step),
    )
    if clicked and step in clicks:
        with frame.boundary():
            clicks[step]()


def _claim(row: LeadRow) -> None:
    state.carry_out(
        lambda: commands.claim(frame.client(), row.id, request_id=state.mark("claim", row.id)),
        t("leads.claimed", number=wording.number(row.id)),
    )


def _take_over(lead_id: int, version: int) -> None:
    with frame.boundary():
        asked = state.mark("take_over", lead_id, version)
        state.carry_out(
            lambda: commands.take_over(frame.client(), commands.LeadRef(lead_id, version), request_id=asked),
            t("leads.taken_over", number=wording.number(lead_id)),
        )


# --- beside it ---


def _contact(user: User, found: LeadScreen, row: LeadRow) -> None:
    masked = [
        part
        for part in (row.name_masked, row.phone_masked, row.wechat_masked, row.email_masked, row.buyer_masked)
        if part
    ]
    with st.container(border=True, gap="small", key="lead_contact"):
        st.markdown(f"**{t('leads.contact')}** {md(' · '.join(masked))}")
        if not (found.is_mine or user.has("manager", "admin")):
            st.caption(t("leads.contact_hidden"))
            return
        sent, reason = revealing.ask("lead_reveal", mine=found.is_mine)
        clear = state.opened_contact(row.id)
        if sent:
            clear = reads.reveal(frame.client(), frame.keyring(), row.id, reason=reason)
            state.keep_contact(row.id, clear)
        if clear is not None:
            names = {name: plain(f"leads.field.{name}") for name in _CONTACT}
            revealing.show(clear, names, key="lead")


def _promises(user: User, found: LeadScreen) -> None:
    if not found.promises:
        return
    with st.container(border=True, gap="small", key="lead_promises"):
        st.markdown(f"**{t('leads.promises')}**")
        for made in found.promises:
            promise_line(user, made, own=found.is_mine)


def promise_line(user: User, made: PromiseRow, *, own: bool) -> None:
    """A promise, and what can be done with it: kept, withdrawn, or a manager's yes or no."""
    standing = "broken" if made.is_broken else made.state
    color = {"broken": "red", "pending": "orange", "kept": "green"}.get(standing, "gray")
    amount = fmt.money(made.amount) if made.amount is not None else ""
    facts = (
        words.of("promise_kinds", made.kind),
        made.what,
        amount,
        frame.clock(made.due_at),
        made.made_by_name,
    )
    chip = f":{color}-badge[{md(words.of('promise_states', standing))}]"
    st.markdown(f"{chip} {md(' · '.join(fact for fact in facts if fact))}")
    with st.container(horizontal=True, gap="xsmall"):
        if made.state == "open" and (own or made.made_by == user.id or user.has("manager")):
            for how in ("kept", "withdrawn"):
                if st.button(t(f"leads.promise.{how}"), key=f"promise_{how}_{made.id}", type="tertiary"):
                    with frame.boundary():
                        asked = state.mark("promise_end", made.id, made.version, how)
                        commands.end_promise(frame.client(), made.id, made.version, how, request_id=asked)
                        state.finished(t(f"leads.promise.{how}_done"))
        if made.state == "pending":
            _pending(user, made)


def _pending(user: User, made: PromiseRow) -> None:
    """Who is waited for, by name; for them the two answers. Any other manager may still refuse."""
    may_agree = any(one.id == user.id for one in made.deciders)
    if not may_agree:
        who = plain("common.listed").join(one.name for one in made.deciders)
        st.caption(t("leads.promise_waits_for", who=who) if who else t("leads.promise_waits"))
    may_refuse = may_agree or (user.has("manager") and made.made_by != user.id)
    for word, agree, may in (("agree", True, may_agree), ("refuse", False, may_refuse)):
        if may and st.button(t(f"leads.promise.{word}"), key=f"promise_{word}_{made.id}", type="tertiary"):
            with frame.boundary():
                asked = state.mark("promise_decide", made.id, made.version, agree)
                commands.decide_promise(frame.client(), made.id, made.version, agree, request_id=asked)
                state.finished(t(f"leads.promise.{word}_done"))


def _merges(found: LeadScreen) -> None:
    open_ones = [merge for merge in found.merges if merge.state == "open"]
    if not open_ones:
        return
    with st.container(border=True, gap="small", key="lead_merges"):
        for merge in open_ones:
            how = plain("common.listed").join(t(f"leads.field.{name}") for name in merge.matched)
            st.markdown(
                f":material/content_copy: {t('leads.may_be', other=words.case(merge.other), how=how)}"
            )
        st.caption(t("leads.may_be_hint"))


def _around(found: LeadScreen) -> None:
    """Orders of the same buyer, and who had the lead."""
    if found.orders:
        st.markdown(f"**{t('leads.orders')}**")
        for order in found.orders:
            facts = (order.order_no, fmt.money(order.amount), frame.clock(order.placed_at))
            st.caption(md(" · ".join(fact for fact in facts if fact)))
    if found.owners:
        st.markdown(f"**{t('leads.owners')}**")
        for had in found.owners:
            until = f" → {frame.clock(had.until)} {words.of('ended', had.ended_as)}" if had.until else ""
            st.caption(md(f"{had.who} · {words.of('how', had.how)} · {frame.clock(had.since)}{until}"))


def _follow_ups(found: LeadScreen) -> None:
    st.markdown(f"**{t('leads.follow_ups')}**")
    if not found.follow_ups:
        st.caption(t("leads.no_follow_ups"))
    for said in found.follow_ups[:_SHOWN]:
        with st.container(border=True, gap="xxsmall", key=f"lead_said_{said.id}"):
            color = "red" if said.is_on_time is False else "gray"
            late = f" :{color}-badge[{t('leads.late')}]" if said.is_on_time is False else ""
            head = (
                frame.clock(said.at),
                said.who,
                words.of("channels", said.channel),
                words.of("stages", said.step),
                words.of("outcomes", said.outcome),
            )
            st.markdown(f":gray[{md(' · '.join(head))}]{late}")
            if said.note:
                st.markdown(md(said.note))
            st.caption(md(f"→ {words.of('next_steps', said.next_step)} · {frame.clock(said.next_at)}"))


def _timeline(found: LeadScreen) -> None:
    told = [event for event in found.timeline if event.action != "followed_up"]
    with st.expander(t("leads.timeline", count=len(told)), key="lead_timeline"):
        for event in told[: _SHOWN * 2]:
            st.caption(md(_told(event)))


def _told(event: Event) -> str:
    parts = (
        frame.clock(event.at),
        event.who or plain("tickets.system"),
        words.of("events", event.action),
        *_details(event.detail),
    )
    return " · ".join(part for part in parts if part)


def _details(detail: Mapping[str, Any]) -> list[str]:
    found = []
    if "grade" in detail:
        before = f"{detail['from']} → " if detail.get("from") else ""
        found.append(f"{before}{detail['grade']}")
    elif {"from", "to"} <= set(detail) and detail["to"] in wording.keys("stages"):
        found.append(f"{words.of('stages', detail['from'])} → {words.of('stages', detail['to'])}")
    for name, table in (("how", "how"), ("kind", "promise_kinds"), ("source", "sources")):
        if isinstance(detail.get(name), str):
            found.append(words.of(table, detail[name]))
    reason = detail.get("reason")
    if isinstance(reason, str):
        tables = ("lost_reasons", "give_back_reasons", "reopen_reasons", "grade_reasons")
        table = next((name for name in tables if reason in wording.keys(name)), None)
        found += [words.of(table, reason)] if table else []
    if detail.get("note"):
        found.append(str(detail["note"]))
    return [*found, *map(wording.number, detail.get("lead_ids", ()))]
