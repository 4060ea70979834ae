"""What happened, the newest first: messages, calls, steps, money, photos. Notes look unlike what went out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

import streamlit as st

from backend.history import Event
from backend.tickets.models import Attachment, Message, TicketScreen
from pages.shared import frame
from pages.shared.format import md
from pages.shared.i18n import plain, t
from pages.shared.tickets import attachments, history, words

_SHOWN = 40
_VIEWS = ("all", "said", "steps")


@dataclass(frozen=True, slots=True)
class _Entry:
    at: datetime
    of: Event | Message | Attachment


def draw(found: TicketScreen) -> None:
    """The timeline, all of it or only what was said or done."""
    view = st.segmented_control(
        t("tickets.timeline"),
        _VIEWS,
        default="all",
        required=True,
        format_func=lambda name: t(f"tickets.timeline.{name}"),
        key="ticket_timeline",
        label_visibility="collapsed",
    )
    entries = sorted(_entries(found, view or "all"), key=lambda entry: entry.at, reverse=True)
    if not entries:
        st.caption(t("tickets.timeline.none"))
    for entry in entries[:_SHOWN]:
        _draw(found, entry)
    if len(entries) > _SHOWN:
        with st.expander(t("tickets.timeline.older", count=len(entries) - _SHOWN)):
            for entry in entries[_SHOWN:]:
                _draw(found, entry)


def _entries(found: TicketScreen, view: str) -> Iterator[_Entry]:
    if view != "steps":
        yield from (_Entry(message.at, message) for message in found.messages)
        yield from (_Entry(file.at, file) for file in found.attachments if file.at)
    if view != "said":
        yield from (_Entry(event.at, event) for event in found.timeline if history.is_told(event))


def _draw(found: TicketScreen, entry: _Entry) -> None:
    if isinstance(entry.of, Message):
        _message(entry.of)
    elif isinstance(entry.of, Attachment):
        attachments.line(entry.of, may_open="attachment" in found.can)
    else:
        event = entry.of
        who = event.who or plain("tickets.system")
        parts = (frame.clock(event.at), who, history.said(event))
        st.caption(md(" · ".join(part for part in parts if part)))


def _message(message: Message) -> None:
    """Outward words in a frame, incoming ones indented by their sign, notes marked as internal."""
    icon = {"out": ":material/north_east:", "in": ":material/south_west:", "note": ":material/lock:"}
    who = message.who or plain("tickets.customer")
    direction = t(f"tickets.said.{message.direction}")
    head = (frame.clock(message.at), who if message.direction != "in" else plain("tickets.customer"))
    channel = words.of("channels", message.channel) if message.direction != "note" else ""
    with st.container(border=True, gap="xxsmall", key=f"ticket_message_{message.id}"):
        facts = md(" · ".join(part for part in (*head, channel) if part))
        color = "orange" if message.direction == "note" else "gray"
        st.markdown(f":{color}-badge[{icon[message.direction]} {direction}] :gray[{facts}]")
        for line in (message.body or plain("tickets.contact_only")).splitlines() or [""]:
            st.markdown(md(line))
