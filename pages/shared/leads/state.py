"""What the pages about leads remember between runs: which panel is open, what is ticked."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, NoReturn
from uuid import UUID

import streamlit as st

from backend.leads.models import ClearLead, LeadRef, LeadRow
from pages.shared import address, frame

_ACT = "leads_act"
_ROUND = "leads_round"
_CLEAR = "leads_clear_contact"
_CLEAR_FOR = timedelta(
    minutes=10
)  # product decision: long enough for a call, gone when the desk is left alone
PROMISE = "promises_open"
"""The promise whose dialog is open."""


def opened() -> int | None:
    """The lead that the address names; L-1042 is taken as well as 1042."""
    return address.number("id", prefix="L-")


def opened_contact(lead_id: int) -> ClearLead | None:
    """The contact that this tab opened a moment ago (on the record), while the page of its lead is open."""
    kept: tuple[int, datetime, ClearLead] | None = st.session_state.get(_CLEAR)
    if kept is None or kept[0] != lead_id or datetime.now(UTC) - kept[1] > _CLEAR_FOR:
        forget_contact()
        return None
    return kept[2]


def keep_contact(lead_id: int, clear: ClearLead) -> None:
    """Keeps an opened contact in this tab alone, so that it can be read while a follow-up is written."""
    st.session_state[_CLEAR] = (lead_id, datetime.now(UTC), clear)


def forget_contact() -> None:
    """Nothing is open any more: another page, the board, a finished step."""
    st.session_state.pop(_CLEAR, None)


def open_lead(lead_id: int, step: str | None = None) -> NoReturn:
    """Goes to a lead, with the panel of a step open; the filters of the board stay in the address."""
    st.session_state[_ACT] = (lead_id, step) if step else None
    st.query_params["id"] = str(lead_id)
    st.rerun()


def to_board() -> NoReturn:
    """Goes back to the board."""
    st.query_params.pop("id", None)
    st.rerun()


def acting(lead_id: int) -> str | None:
    """The step whose panel is open."""
    kept: tuple[int, str] | None = st.session_state.get(_ACT)
    return kept[1] if kept and kept[0] == lead_id else None


def act(lead_id: int, step: str) -> None:
    """Opens the panel of a step, or closes it when it is open."""
    st.session_state[_ACT] = None if acting(lead_id) == step else (lead_id, step)


def ref(row: LeadRow) -> LeadRef:
    """The lead as it is on the screen."""
    return LeadRef(row.id, row.version)


def mark(name: str, *facts: Any) -> UUID:
    """The id of an intention (see `frame.request_id`) as the commands take it."""
    return frame.request_id(f"leads_{name}", *facts)


def carry_out(call: Callable[[], object], told: str, *, icon: str = ":material/check:") -> None:
    """Does a step; then its panel closes and the page is drawn anew with what happened."""
    call()
    finished(told, icon=icon)


def next_table() -> None:
    """The tables begin anew: nothing is ticked."""
    st.session_state[_ROUND] = st.session_state.get(_ROUND, 0) + 1


def finished(told: str, *, icon: str = ":material/check:") -> NoReturn:
    """A step is done."""
    forget_contact()
    st.session_state.pop(_ACT, None)
    st.session_state.pop(PROMISE, None)
    next_table()
    frame.flash_and_rerun(told, icon=icon)


def table_key() -> str:
    """The key of the table; a new one forgets what was ticked."""
    return f"leads_table_{st.session_state.setdefault(_ROUND, 0)}"
