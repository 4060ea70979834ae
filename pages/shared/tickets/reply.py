"""What is said: to the customer, checked while it is written and kept as a draft, or among colleagues."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import streamlit as st

from backend.library import variables
from backend.tickets import commands
from backend.tickets.choices import CHANNEL_OF, CHANNELS
from backend.tickets.models import TicketScreen
from backend.words import Result, rewrite
from pages.shared import frame, widgets
from pages.shared.frame import User
from pages.shared.i18n import plain, t
from pages.shared.tickets import macros, one, solutions, words
from pages.shared.words import editor, hits, wording


def field(ticket_id: int) -> str:
    """The name of the reply's field."""
    return f"ticket_reply_{ticket_id}"


def draw(user: User, found: TicketScreen) -> None:
    """The box; typing runs this alone."""
    if "add_message" in found.can:
        st.fragment(_body, key="ticket_reply_part")(user, found)


def _body(user: User, found: TicketScreen) -> None:
    ticket = found.ticket
    name = field(ticket.id)
    editor.start(name, found.draft)
    with st.container(border=True, gap="small", key="ticket_reply"), frame.boundary():
        direction = st.segmented_control(
            t("tickets.direction"),
            ("out", "note", "in"),
            default="out",
            required=True,
            format_func=lambda one_: t(f"tickets.direction.{one_}"),
            key="ticket_direction",
            label_visibility="collapsed",
        )
        result = _look(found, editor.text(name)) if direction == "out" else None
        _text(name, direction or "out", result)
        _keep(found, editor.text(name))
        empty = _unfilled(editor.text(name)) if direction == "out" else ()
        _actions(user, found, direction or "out", result, empty)
        if result is not None and result.hits:
            hits.cards(result, field=name, key="ticket_reply_hit")


def _look(found: TicketScreen, body: str) -> Result | None:
    """The word check of what stands in the box; None while it is empty."""
    if not body.strip():
        return None
    return commands.look(frame.service(), body, found.ticket.platform)


def _text(name: str, direction: str, result: Result | None) -> None:
    editor.draw(
        name,
        label=plain(f"tickets.write.{direction}"),
        hits=wording.spans(result.hits) if result else (),
        placeholder=plain(f"tickets.write.{direction}_hint"),
        count=plain("words.signs", count="{count}", most=commands.MOST_REPLY),
        most=commands.MOST_REPLY,
        height=96,
    )
    if result is not None and result.verdict != "clean":
        st.markdown(hits.headline(result))


def _keep(found: TicketScreen, body: str) -> None:
    """The draft is kept whenever it changed, so that no reload loses it."""
    kept = f"{field(found.ticket.id)}_kept"
    if st.session_state.setdefault(kept, found.draft) != body:
        commands.save_draft(frame.client(), found.ticket.id, body)
        st.session_state[kept] = body


def _unfilled(body: str) -> tuple[str, ...]:
    """Places of a script that still stand in braces: the customer must not read them."""
    names = tuple(name for name in variables.names_in(body) if name in variables.VARIABLES)
    if names:
        listed = plain("tickets.joiner").join(f"{{{name}}}" for name in names)
        st.caption(f":material/edit: {t('tickets.macro_missing', names=listed)}")
    return names


def _actions(
    user: User, found: TicketScreen, direction: str, result: Result | None, empty: Sequence[str]
) -> None:
    ticket = found.ticket
    body = editor.text(field(ticket.id))
    rewritten = rewrite(body, result.hits) if result else body
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="ticket_reply_bar"):
        where = channel(found, key="ticket_channel") if direction != "note" else "other"
        if direction == "out":
            macros.draw(user, found, field(ticket.id))
            solutions.beside(found)
        if rewritten not in (body, ""):
            st.button(
                t("words.adopt_all"),
                key="ticket_adopt_all",
                icon=":material/done_all:",
                on_click=partial(editor.put, field(ticket.id), rewritten),
            )
        blocked = result is not None and result.verdict == "block"
        ready = bool(body.strip()) and not blocked and not empty
        if direction == "out" and ready:
            widgets.copy_button(body, key="ticket_reply_copy", label=plain("tickets.copy_reply"))
        if st.button(
            t(f"tickets.send.{direction}"),
            key="ticket_send",
            type="primary",
            icon=":material/send:" if direction == "out" else ":material/note_add:",
            shortcut="Ctrl+Enter",
            disabled=not ready,
            help=t("tickets.blocked_help") if blocked else None,
        ):
            _send(user, found, direction, where, body, warned=_warned(result))


def _warned(result: Result | None) -> bool:
    return result is not None and result.verdict == "warn"


def channel(found: TicketScreen, *, key: str) -> str:
    """Where it was said; the chat of the platform first."""
    usual = found.ticket.channel
    if usual == "other":
        usual = CHANNEL_OF.get(found.ticket.platform or "", "other")
    chosen: str = st.selectbox(
        t("tickets.channel"),
        CHANNELS,
        index=CHANNELS.index(usual),
        format_func=partial(words.of, "channels"),
        key=key,
        label_visibility="collapsed",
        width=110,
    )
    return chosen


def _send(user: User, found: TicketScreen, direction: str, channel: str, body: str, *, warned: bool) -> None:
    ticket = found.ticket
    facts: dict[str, Any] = {"direction": direction, "channel": channel, "body": body}
    commands.reply(
        frame.client(),
        frame.service(),
        ticket.id,
        shop_id=ticket.shop_id,
        platform=ticket.platform,
        author_id=user.id,
        request_id=one.mark(found, "message", sorted(facts.items())),
        reason=plain("tickets.warned_reason") if warned else "",
        **facts,
    )
    name = field(ticket.id)
    editor.put(name, "")
    st.session_state[f"{name}_kept"] = ""
    commands.save_draft(frame.client(), ticket.id, "")
    frame.flash_and_rerun(t(f"tickets.sent.{direction}"))
