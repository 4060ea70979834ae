"""为什么没有提醒我？ What became of each reminder, for me and for others, and what comes next."""

from __future__ import annotations

from datetime import datetime

import streamlit as st

from backend import policies, reminders
from backend.reminders import Reminder, Told, Why
from pages.shared import frame
from pages.shared.format import md
from pages.shared.i18n import plain, t
from pages.shared.policies import wording


def draw(clock_id: int) -> None:
    """The question, and its answer once somebody asks."""
    if st.toggle(t("told.ask"), key=f"deadlines_told_{clock_id}"):
        for icon, words in lines(reminders.why(frame.client(), clock_id)):
            st.markdown(f":material/{icon}: {md(words)}")


def lines(why: Why) -> list[tuple[str, str]]:
    """Icon and words: a line for each step that came, and one for the step that comes next."""
    found = [(_icon(one), f"{_step(why, one.step, one.step_at)}{_came(one)}") for one in why.reminders]
    if why.next_step is not None and why.next_step_at is not None:
        found.append(("schedule", plain("told.next", step=_step(why, why.next_step, why.next_step_at))))
    return found or [("notifications_off", plain("told.none" if why.ladder else "told.no_steps"))]


def _icon(one: Reminder) -> str:
    mine = _mine(one)
    return "notifications_active" if any(_reached(told) for told in mine) else "notifications_off"


def _step(why: Why, number: int, at: datetime) -> str:
    """`用时 50 %（今天 13:00）`; a step that a later policy no longer has goes by its time alone."""
    place = next((one for one in why.ladder if one["step"] == number), None)
    name = wording.moment(policies.Step.parse(place)) if place else plain("told.step", number=number)
    return plain("told.at", step=name, when=frame.clock(at))


def _came(one: Reminder) -> str:
    """What it was for me, and who else heard of it."""
    heard = [_person(told) for told in one.people if _reached(told) and not told.is_me]
    others = plain("told.others", people=plain("policies.and").join(heard)) if heard else ""
    return f"{_for_me(one)}{others}"


def _for_me(one: Reminder) -> str:
    if one.state == "suppressed" and not one.people:
        return plain(f"told.reason.{one.reason}")
    if one.state == "due":
        return plain("told.waits", when=frame.clock(one.ready_at))
    mine = _mine(one)
    if any(_reached(told) for told in mine):
        return plain("told.me")
    reason = next((told.reason for told in mine if told.reason), None)
    if reason is not None:
        return plain(f"told.reason.{reason}")
    who = plain("policies.and").join(plain(f"policies.who.{name}") for name in one.who)
    return plain("told.not_mine", who=who)


def _mine(one: Reminder) -> list[Told]:
    return [told for told in one.people if told.is_me]


def _reached(told: Told) -> bool:
    return told.state == "sent"


def _person(told: Told) -> str:
    if told.channel and not told.name:
        return plain("told.group", name=told.channel)
    return plain("told.on_channel", name=told.name, channel=told.channel) if told.channel else str(told.name)
