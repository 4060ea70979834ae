"""话术 in the reply box: what fits this case, filled in from it, put into the field with one click."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from zoneinfo import ZoneInfo

import streamlit as st

from backend.library import commands, reads, variables
from backend.library.models import Script
from backend.library.variables import Filled
from backend.tickets import replies
from backend.tickets.models import TicketScreen
from pages.shared import frame
from pages.shared.format import md
from pages.shared.frame import User
from pages.shared.i18n import plain, t
from pages.shared.tickets import one
from pages.shared.words import editor

_OFFERED = 8
_BOX = "ticket_macros"
_CHOSEN = "ticket_macro_chosen"


def draw(user: User, found: TicketScreen, field: str) -> None:
    """A button that opens the fitting scripts; they are read when somebody opens it."""
    _note_use(found)
    with st.popover(t("tickets.macros"), icon=":material/chat:", key=_BOX, on_change="rerun") as box:
        if not box.open:
            return
        ticket = found.ticket
        q = st.text_input(
            t("tickets.macro_search"),
            key="ticket_macro_q",
            placeholder=plain("tickets.macro_search"),
            label_visibility="collapsed",
            max_chars=40,
        )
        scripts = reads.scripts_for(
            frame.client(),
            ticket.shop_id,
            area="aftersales",
            stage=None if q else ticket.type,
            root_cause_id=ticket.root_cause_id,
            skus=[ticket.sku] if ticket.sku else [],
            q=q.strip(),
            limit=_OFFERED,
        )
        if not scripts:
            st.caption(t("tickets.macro_none"))
        for script in scripts:
            _line(user, found, script, field)


def _line(user: User, found: TicketScreen, script: Script, field: str) -> None:
    filled = variables.fill(script.body, replies.values(found, user.name, datetime.now(ZoneInfo(user.zone))))
    st.button(
        md(script.title),
        key=f"ticket_macro_{script.id}",
        width="stretch",
        on_click=partial(_put, script.id, filled, field),
    )
    st.caption(md(filled.text.replace("\n", " ")[:90]))


def _put(script_id: int, filled: Filled, field: str) -> None:
    """Writes the text behind what stands in the field, and closes the box over it."""
    before = editor.text(field).rstrip()
    editor.put(field, f"{before}\n{filled.text}" if before else filled.text)
    st.session_state[_BOX] = False
    st.session_state[_CHOSEN] = (script_id, before)


def _note_use(found: TicketScreen) -> None:
    """A script that was put into the field counts as used for this case."""
    if _CHOSEN not in st.session_state:
        return
    script_id, before = st.session_state.pop(_CHOSEN)
    asked = one.mark(found, "macro", script_id, before)
    case = ("ticket", found.ticket.id)
    commands.use_script(frame.client(), script_id, found.ticket.shop_id, request_id=asked, case=case)
