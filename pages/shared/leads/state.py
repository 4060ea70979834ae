"""What the pages about leads remember between runs: which panel is open, what is ticked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn
from uuid import UUID

import streamlit as st

from backend.leads.models import LeadRef, LeadRow
from pages.shared import address, frame

_ACT = "leads_act"
_ROUND = "leads_round"
PROMISE = "promises_open"
"""The promise whose dialog is open."""


def opened() -> int | None:
    """The lead that the address names; L-1042 is taken as well as 1042."""
    return address.number("id", prefix="L-")


def open_lead(lead_id: int) -> NoReturn:
    """Goes to a lead; the filters of the board stay in the address."""
    st.session_state.pop(_ACT, None)
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
    st.session_state.pop(_ACT, None)
    st.session_state.pop(PROMISE, None)
    next_table()
    frame.flash_and_rerun(told, icon=icon)


def table_key() -> str:
    """The key of the table; a new one forgets what was ticked."""
    return f"leads_table_{st.session_state.setdefault(_ROUND, 0)}"
