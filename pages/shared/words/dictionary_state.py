"""What is open on the dictionary page: `?word=…`, `?exception=12`, `?new=word`, `?proposal=3`."""

from __future__ import annotations

from typing import Literal

import streamlit as st

from pages.shared import address

_ROUND = "dictionary_round"
_NAMES = ("word", "exception", "new", "proposal")


def table_key() -> str:
    """The key of the table; a new one forgets what was selected."""
    return f"dictionary_table_{st.session_state.setdefault(_ROUND, 0)}"


def open_word(term: str) -> None:
    """Opens a word on the next run."""
    _open("word", term)


def open_exception(number: int) -> None:
    """Opens an exception on the next run."""
    _open("exception", str(number))


def open_new(target: Literal["word", "exception"]) -> None:
    """Opens an empty form on the next run."""
    _open("new", target)


def open_proposal(number: int) -> None:
    """Opens a proposal on the next run."""
    _open("proposal", str(number))


def close() -> None:
    """Closes whatever is open."""
    for name in _NAMES:
        st.query_params.pop(name, None)


def given(name: str) -> str:
    """What the address opens under a name; empty: nothing."""
    return str(st.query_params.get(name, ""))


def number(name: str) -> int | None:
    """An id of the address."""
    return address.number(name)


def _open(name: str, value: str) -> None:
    close()
    st.query_params[name] = value
    st.session_state[_ROUND] = st.session_state.get(_ROUND, 0) + 1
