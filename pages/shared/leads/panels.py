"""The forms of a lead's steps: each says what will happen, and does it in one click."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from functools import partial
from zoneinfo import ZoneInfo

import streamlit as st

from backend.errors import AppError
from backend.leads import commands, contacts, reads, wording
from backend.leads.choices import (
    BUDGETS,
    CHANNELS,
    FOLLOW_UP_OUTCOMES,
    GRADES,
    LEVELS,
    NEXT_STEPS,
    PROMISE_KINDS,
    REASONS,
    SOURCES,
    STAGES,
)
from backend.leads.models import LeadRow, LeadScreen
from backend.library import reads as library
from backend.tickets import choices as tickets
from backend.tickets import wording as ticket_words
from pages.shared import frame
from pages.shared.frame import User
from pages.shared.i18n import locale, plain, t
from pages.shared.leads import state, words
from pages.shared.library import offer_list

Panel = Callable[[User, LeadScreen], None]
_SOON: Mapping[str, int] = {"hours_4": 4, "day_1": 24, "day_3": 72, "day_7": 168}
"""When one usually calls again, in hours."""


def _row(found: LeadScreen) -> LeadRow:
    if found.lead is None:
        raise ValueError("a colleague's lead has no steps")
    return found.lead


def follow_up(user: User, found: LeadScreen) -> None:
    """A contact with the customer, and what comes next: the next date is never left open."""
    row = _row(found)
    key = f"lead_follow_{row.id}"
    step = _pills(f"{key}_step", "leads.field.step", STAGES, "stages", row.stage)
    channel = _pills(f"{key}_channel", "leads.field.channel", CHANNELS, "channels", "phone")
    outcome = st.pills(
        t("leads.field.outcome"),
        FOLLOW_UP_OUTCOMES,
        format_func=partial(words.of, "outcomes"),
        key=f"{key}_outcome",
        wrap=True,
    )
    note = st.text_area(
        t("leads.field.note"),
        key=f"{key}_note",
        max_chars=1000,
        height=70,
        placeholder=plain("leads.note_hint"),
    )
    next_step = _pills(f"{key}_next", "leads.field.next_step", NEXT_STEPS, "next_steps", "contact_again")
    next_at = _when(found, key)
    if outcome is None:
        st.caption(t("leads.outcome_first"))
    if (
        st.button(
            t("leads.follow_up_send"),
            key="lead_follow_send",
            type="primary",
            shortcut="Alt+Enter",
            disabled=outcome is None,
        )
        and outcome
    ):
        asked = state.mark("follow", row.id, row.version, step, channel, outcome, note, next_step, next_at)
        with frame.boundary():
            state.carry_out(
                lambda: commands.follow_up(
                    frame.client(),
                    state.ref(row),
                    channel=channel,
                    step=step,
                    outcome=outcome,
                    next_step=next_step,
                    next_at=next_at,
                    note=note,
                    request_id=asked,
                ),
                t("leads.followed", at=frame.clock(next_at)),
            )


def _when(found: LeadScreen, key: str) -> datetime:
    """The next contact: one of the usual spans that the grade allows, or a day and time of one's own."""
    row, now = _row(found), datetime.now(UTC).replace(second=0, microsecond=0)
    until = found.next_until or now + timedelta(days=30)
    usual = [name for name, hours in _SOON.items() if now + timedelta(hours=hours) < until]
    chosen = st.segmented_control(
        t("leads.field.next_at"),
        [*usual, "own"],
        default=usual[min(1, len(usual) - 1)] if usual else "own",
        required=True,
        format_func=lambda name: plain(f"leads.when.{name}"),
        key=f"{key}_when",
    )
    if chosen != "own":
        return now + timedelta(hours=_SOON[chosen or usual[0]])
    zone = ZoneInfo(row.timezone)
    with st.container(horizontal=True, gap="small"):
        day = st.date_input(
            t("leads.field.day"),
            value=(now + timedelta(days=1)).astimezone(zone).date(),
            min_value=now.astimezone(zone).date(),
            max_value=until.astimezone(zone).date(),
            key=f"{key}_day",
        )
        clock = st.time_input(t("leads.field.time"), value=time(10, 0), key=f"{key}_time")
    st.caption(t("leads.next_until", grade=row.grade, at=frame.clock(until, row.timezone)))
    return datetime.combine(day, clock, zone)


def _pills(key: str, label: str, options: tuple[str, ...], table: str, usual: str) -> str:
    chosen = st.pills(
        t(label),
        options,
        default=usual,
        required=True,
        format_func=partial(words.of, table),
        key=key,
        wrap=True,
    )
    return chosen or usual


def grade(user: User, found: LeadScreen) -> None:
    """Another grade by hand, for a reason; time already used stays used."""
    row = _row(found)
    st.caption(t("leads.grade_text"))
    letter = st.segmented_control(
        t("leads.filter.grade"),
        GRADES,
        default=row.grade,
        required=True,
        key=f"lead_grade_{row.id}_{row.version}",
    )
    with st.container(horizontal=True, gap="xsmall"):
        for reason in REASONS["grade"]:
            if st.button(words.of("grade_reasons", reason), key=f"lead_grade_{reason}"):
                asked = state.mark("grade", row.id, row.version, letter, reason)
                with frame.boundary():
                    state.carry_out(
                        partial(
                            commands.grade,
                            frame.client(),
                            state.ref(row),
                            letter or row.grade,
                            reason,
                            request_id=asked,
                        ),
                        t("leads.graded", grade=letter or row.grade),
                    )


def facts(user: User, found: LeadScreen) -> None:
    """What became known: source, intent, budget, tags. A grade given by the rules follows."""
    row = _row(found)
    with st.form(f"lead_facts_{row.id}", border=False):
        with st.container(horizontal=True, gap="small"):
            chosen = {
                name: st.selectbox(
                    t(f"leads.field.{name}"),
                    options,
                    index=options.index(getattr(row, name)),
                    format_func=partial(words.of, table),
                    key=f"lead_facts_{name}",
                )
                for name, options, table in (
                    ("source", SOURCES, "sources"),
                    ("intent", LEVELS, "intents"),
                    ("budget", BUDGETS, "budgets"),
                )
            }
        needs = st.multiselect(
            t("leads.field.needs"),
            list(row.needs),
            default=list(row.needs),
            accept_new_options=True,
            max_selections=10,
            select_all=False,
            key="lead_facts_needs",
        )
        phone = st.text_input(t("leads.new_phone"), key="lead_facts_phone", max_chars=30)
        sent = st.form_submit_button(t("leads.save"), key="lead_facts_send", type="primary")
    if sent:
        known: dict[str, object] = {
            name: value for name, value in chosen.items() if value != getattr(row, name)
        }
        if list(needs) != list(row.needs):
            known["needs"] = list(needs)
        with frame.boundary():
            _save(found, known, phone.strip())


def _save(found: LeadScreen, known: Mapping[str, object], phone: str) -> None:
    row = _row(found)
    asked = state.mark("facts", row.id, row.version, sorted(known.items(), key=str), phone)
    client, ring = frame.client(), frame.keyring()
    contact_id = None
    if phone:
        if bad := contacts.unreachable({"phone": phone}):
            raise AppError(bad)
        contact_id = reads.reveal_row(client, row.id, reason="contact_customer")["contact_id"]
    state.carry_out(
        lambda: commands.update(
            client,
            ring,
            state.ref(row),
            known,
            contact={"phone": phone} if phone else None,
            contact_id=contact_id,
            request_id=asked,
        ),
        t("leads.saved"),
    )


def promise(user: User, found: LeadScreen) -> None:
    """What the customer is promised; beyond the limit a manager agrees first."""
    row = _row(found)
    key = f"lead_promise_{row.id}"
    kind = _pills(f"{key}_kind", "leads.field.promise_kind", PROMISE_KINDS, "promise_kinds", "gift")
    rule = _gift_rule(row, key) if kind == "gift" else None
    what = "" if rule else st.text_input(t("leads.field.what"), key=f"{key}_what", max_chars=200).strip()
    amount = None
    with st.container(horizontal=True, gap="small"):
        if rule is None:
            amount = st.number_input(
                t("leads.field.amount"), min_value=0.0, max_value=100_000.0, value=None, key=f"{key}_amount"
            )
        hours = st.segmented_control(
            t("leads.field.promise_until"),
            list(_SOON),
            default="day_1",
            required=True,
            format_func=lambda name: plain(f"leads.when.{name}"),
            key=f"{key}_until",
        )
    st.caption(t("leads.promise_text"))
    ready = rule is not None or bool(what)
    if st.button(t("leads.promise_send"), key="lead_promise_send", type="primary", disabled=not ready):
        due = datetime.now(UTC).replace(second=0, microsecond=0) + timedelta(hours=_SOON[hours or "day_1"])
        money = Decimal(f"{amount:.2f}") if amount else None
        asked = state.mark("promise", row.id, kind, what, money, hours, rule)
        with frame.boundary():
            made = commands.promise(
                frame.client(),
                "lead",
                row.id,
                kind=kind,
                what=what,
                due_at=due,
                amount=money,
                rule_id=rule,
                request_id=asked,
            )
            if made.state == "pending":
                state.finished(t("leads.promise_pending"), icon=":material/hourglass_top:")
            state.finished(t("leads.promised"))


def _gift_rule(row: LeadRow, key: str) -> int | None:
    """The gift rule it is promised by: goods and cost follow, and nobody else has to agree."""
    offers = library.offers_for(frame.client(), row.shop_id, [], None).gifts
    names = {one.id: offer_list.said(one)[0] for one in offers if one.may_promise}
    if not names:
        return None
    return st.selectbox(
        t("leads.field.gift_rule"),
        list(names),
        index=None,
        placeholder=plain("leads.gift_free"),
        format_func=lambda one: names[one],
        key=f"{key}_rule",
    )


def convert(user: User, found: LeadScreen) -> None:
    """The customer bought: name the order. Imported orders convert by themselves."""
    row = _row(found)
    st.caption(t("leads.convert_text"))
    number = st.text_input(t("leads.field.order_no"), key=f"lead_convert_{row.id}", max_chars=60)
    if st.button(
        t("leads.convert_send"), key="lead_convert_send", type="primary", disabled=not number.strip()
    ):
        asked = state.mark("convert", row.id, row.version, number)
        with frame.boundary():
            state.carry_out(
                lambda: commands.convert(frame.client(), state.ref(row), number, request_id=asked),
                t("leads.converted", number=wording.number(row.id)),
                icon=":material/celebration:",
            )


def lose(user: User, found: LeadScreen) -> None:
    """No sale: one click on the reason."""
    row = _row(found)
    note = st.text_input(t("leads.lost_note"), key=f"lead_lose_{row.id}", max_chars=200)
    with st.container(horizontal=True, gap="xsmall"):
        for reason in REASONS["lose"]:
            if st.button(words.of("lost_reasons", reason), key=f"lead_lose_{reason}"):
                asked = state.mark("lose", row.id, row.version, reason, note)
                with frame.boundary():
                    state.carry_out(
                        partial(
                            commands.lose, frame.client(), state.ref(row), reason, note=note, request_id=asked
                        ),
                        t("leads.lost", number=wording.number(row.id)),
                    )


def transfer(user: User, found: LeadScreen) -> None:
    """转接: tell the customer first, then it becomes a ticket."""
    row = _row(found)
    st.caption(t("leads.transfer_text"))
    kind = st.selectbox(
        t("leads.field.ticket_type"),
        tickets.TYPES,
        index=tickets.TYPES.index("service"),
        format_func=lambda code: ticket_words.label("types", code, locale()),
        key=f"lead_transfer_type_{row.id}",
    )
    summary = st.text_area(t("leads.field.summary"), key=f"lead_transfer_{row.id}", max_chars=500, height=70)
    told = st.checkbox(t("leads.script_sent"), key=f"lead_transfer_told_{row.id}")
    ready = bool(summary.strip()) and told
    if st.button(t("leads.transfer_send"), key="lead_transfer_send", type="primary", disabled=not ready):
        asked = state.mark("transfer", row.id, row.version, kind, summary)
        with frame.boundary():
            made = commands.transfer(
                frame.client(),
                state.ref(row),
                ticket_type=kind or "service",
                summary=summary,
                is_script_sent=told,
                request_id=asked,
            )
            state.finished(t("leads.transferred", number=ticket_words.number(made.ticket_id or 0)))


def give_back(user: User, found: LeadScreen) -> None:
    """Back to the pool; a colleague gets it."""
    row = _row(found)
    st.caption(t("leads.give_back_text"))
    with st.container(horizontal=True, gap="xsmall"):
        for reason in REASONS["give_back"]:
            if st.button(words.of("give_back_reasons", reason), key=f"lead_give_back_{reason}"):
                asked = state.mark("give_back", row.id, row.version, reason)
                with frame.boundary():
                    state.carry_out(
                        partial(
                            commands.give_back, frame.client(), [state.ref(row)], reason, request_id=asked
                        ),
                        t("leads.given_back", number=wording.number(row.id)),
                    )


def assign(user: User, found: LeadScreen) -> None:
    """To a colleague of the shop."""
    row = _row(found)
    names = reads.sellers(frame.client(), {row.shop_id})
    chosen = st.selectbox(
        t("leads.assign"),
        list(names),
        index=None,
        placeholder=plain("tickets.choose"),
        format_func=lambda one: names[one],
        key=f"lead_assign_{row.id}",
    )
    if st.button(t("leads.assign_send"), key="lead_assign_send", type="primary", disabled=chosen is None):
        asked = state.mark("assign", row.id, row.version, chosen)
        with frame.boundary():
            answer = commands.assign(frame.client(), [state.ref(row)], chosen or 0, request_id=asked)
            if answer.done:
                state.finished(t("leads.assigned", who=names[chosen or 0]))
            frame.done()
            st.error(words.refusal(answer.items[0].refusal or "lead.state"), icon=":material/lock:")


def reopen(user: User, found: LeadScreen) -> None:
    """Open again, with a new deadline."""
    row = _row(found)
    with st.container(horizontal=True, gap="xsmall"):
        for reason in REASONS["reopen"]:
            if st.button(words.of("reopen_reasons", reason), key=f"lead_reopen_{reason}"):
                asked = state.mark("reopen", row.id, row.version, reason)
                with frame.boundary():
                    state.carry_out(
                        partial(commands.reopen, frame.client(), state.ref(row), reason, request_id=asked),
                        t("leads.reopened", number=wording.number(row.id)),
                    )


PANELS: Mapping[str, Panel] = {
    "follow_up": follow_up,
    "promise": promise,
    "convert": convert,
    "lose": lose,
    "grade": grade,
    "facts": facts,
    "transfer": transfer,
    "give_back": give_back,
    "assign": assign,
    "reopen": reopen,
}
