"""What the library's pages keep in the address: the tab, the filters, and the open record.

The open record is the `?id=` of the address, so that a link to it is a link to its drawer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import streamlit as st

from backend import filters
from pages.shared import address

Check = Callable[[str], bool]


def opened() -> int | None:
    """The record whose drawer is open."""
    return address.number("id")


def is_new() -> bool:
    """Whether the drawer of a new record is open."""
    return st.query_params.get("id") == "new"


def open_record(record_id: int) -> None:
    """Opens a drawer on the next run."""
    st.query_params["id"] = str(record_id)
    st.session_state.pop("library_editing", None)


def open_new() -> None:
    """Opens the drawer with an empty form."""
    st.query_params["id"] = "new"
    st.session_state.pop("library_editing", None)


def close() -> None:
    """Closes the drawer."""
    st.query_params.pop("id", None)
    st.session_state.pop("library_editing", None)


def editing() -> bool:
    """Whether the open record is being rewritten."""
    return opened() is not None and st.session_state.get("library_editing") == opened()


def edit(on: bool) -> None:
    """Opens or closes the form of the open record."""
    st.session_state["library_editing"] = opened() if on else None


def sync(page: str, checks: Mapping[str, Check]) -> None:
    """Brings the widgets `<page>_<name>` in line with the address, which alone says what is filtered."""
    for name, fits in checks.items():
        given = st.query_params.get(name, "")
        st.session_state[f"{page}_{name}"] = given if given and fits(given) else None


def value(page: str, name: str) -> Any:
    """The value of a filter; None when it is not set."""
    return st.session_state.get(f"{page}_{name}") or None


def write(page: str, names: Sequence[str]) -> None:
    """Puts the filters into the address."""
    for name in names:
        found = value(page, name)
        if found is None:
            st.query_params.pop(name, None)
        else:
            st.query_params[name] = str(found)


def clear(page: str, names: Sequence[str]) -> None:
    """Takes filters back."""
    for name in names:
        st.session_state[f"{page}_{name}"] = None
        st.query_params.pop(name, None)


def short(text: str) -> bool:
    """A text that may be searched for."""
    return len(text) <= 60


def number(text: str) -> bool:
    """A text that is an id."""
    return filters.number(text) is not None
