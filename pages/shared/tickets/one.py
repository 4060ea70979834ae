"""What the page of one ticket remembers: which ticket, and which step's panel is open."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn
from uuid import UUID

import streamlit as st

from backend.tickets.models import TicketRef, TicketScreen
from pages.shared import address, frame
from pages.shared.tickets import state

_ACT = "ticket_act"


def opened() -> int | None:
    """The ticket that the address names; T-1042 is taken as well as 1042."""
    return address.number("id", prefix="T-")


def acting(ticket_id: int) -> str | None:
    """The step whose panel is open."""
    kept: tuple[int, str] | None = st.session_state.get(_ACT)
    return kept[1] if kept and kept[0] == ticket_id else None


def act(ticket_id: int, step: str) -> None:
    """Opens the panel of a step, or closes it when it is open."""
    st.session_state[_ACT] = None if acting(ticket_id) == step else (ticket_id, step)


def ref(found: TicketScreen) -> TicketRef:
    """The ticket as it is on the screen."""
    return TicketRef(found.ticket.id, found.ticket.version)


def mark(found: TicketScreen, step: str, *facts: Any) -> UUID:
    """The id of an intention on this version of the ticket."""
    return state.mark(f"ticket_{step}", found.ticket.id, found.ticket.version, *facts)


def carry_out(call: Callable[[], object], told: str, *, icon: str = ":material/check:") -> None:
    """Does a step; then the page is drawn anew with what happened."""
    call()
    finished(told, icon=icon)


def finished(told: str, *, icon: str = ":material/check:") -> NoReturn:
    """A step is done: its panel closes, the list is old, and the page says what happened."""
    st.session_state.pop(_ACT, None)
    state.forget_list()
    frame.flash_and_rerun(told, icon=icon)
