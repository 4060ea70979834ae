"""Telling the customer how it ended: where, and with which words. Only a call has none."""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st

from backend.tickets import commands
from backend.tickets.models import TicketScreen
from pages.shared import frame
from pages.shared.frame import User
from pages.shared.i18n import plain, t
from pages.shared.tickets import reply
from pages.shared.words import hits


@dataclass(frozen=True, slots=True)
class Told:
    """What was said where. `is_ready`: it may be recorded; `is_warned`: with a reason."""

    channel: str
    words: str
    is_ready: bool
    is_warned: bool = False


def draw(found: TicketScreen) -> Told | None:
    """The tick, then the channel and the words, checked like any reply; None while nothing was said."""
    number = found.ticket.id
    if not st.checkbox(t("tickets.told"), key=f"ticket_told_{number}", help=t("tickets.told_help")):
        return None
    with st.container(horizontal=True, vertical_alignment="top", gap="small"):
        channel = reply.channel(found, key=f"ticket_told_channel_{number}")
        body = st.text_area(
            t("tickets.told_words"),
            key=f"ticket_told_words_{number}",
            placeholder=plain("tickets.told_call" if channel == "phone" else "tickets.told_example"),
            max_chars=commands.MOST_REPLY,
            height=68,
            label_visibility="collapsed",
        ).strip()
    if not body:
        return Told(channel, "", is_ready=channel == "phone")
    result = commands.look(frame.service(), body, found.ticket.platform)
    if result.verdict != "clean":
        st.markdown(hits.headline(result))
        hits.cards(result, field=None, key="ticket_told_hit")
    return Told(channel, body, is_ready=result.verdict != "block", is_warned=result.verdict == "warn")


def checked(user: User, found: TicketScreen, told: Told) -> str:
    """The words as they are stored, their verdict on record; nothing of a call without words."""
    if not told.words:
        return ""
    ticket = found.ticket
    return commands.checked(
        frame.service(),
        ticket.id,
        told.words,
        shop_id=ticket.shop_id,
        platform=ticket.platform,
        author_id=user.id,
    )
