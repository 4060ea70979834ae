"""Choices that stand in the address under stable codes: a link opens the same view in any language."""

from __future__ import annotations

from collections.abc import Collection

import streamlit as st


def start(key: str, name: str, options: Collection[str]) -> None:
    """Before the widget `key` is drawn for the first time: what `?name=` asks for, if it is one of them."""
    asked = st.query_params.get(name)
    if key not in st.session_state and asked in options:
        st.session_state[key] = asked


def keep(name: str, chosen: str) -> str:
    """After the widget: its value stands in the address. Returns it."""
    if st.query_params.get(name) != chosen:
        st.query_params[name] = chosen
    return chosen
