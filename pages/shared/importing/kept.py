"""What is known about each dropped file, across runs of the page."""

from __future__ import annotations

from typing import Any

import streamlit as st

FILES = "imports_files"
State = dict[str, Any]


def save(state: State, **change: Any) -> None:
    """Keeps a choice about a file across runs."""
    kept: dict[str, State] = st.session_state.get(FILES, {})
    if state["id"] in kept:
        kept[state["id"]].update(change)
    state.update(change)
