"""Choices that stand in the address under stable codes: a link opens the same view in any language."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import streamlit as st

from backend import filters
from pages.shared.frame import User


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


def given(names: Collection[str]) -> dict[str, str]:
    """Those of the names that stand in the address."""
    return {name: text for name in names if (text := st.query_params.get(name, ""))}


def put(names: Collection[str], now: Mapping[str, str]) -> None:
    """Of these names exactly what `now` says; what else the address holds stays."""
    for name in names:
        if name in now:
            st.query_params[name] = now[name]
        else:
            st.query_params.pop(name, None)


def number(name: str, *, prefix: str = "") -> int | None:
    """The id that `?name=` holds, T-1042 as well as 1042 where `prefix` is "T-"; None for anything else."""
    return filters.number(st.query_params.get(name, "").upper().removeprefix(prefix))


def shop(user: User) -> int | None:
    """The shop that `?shop=` names, if it is one of the person's."""
    asked = number("shop")
    return asked if user.shop(asked) else None


def write(page: str, usual: Mapping[str, Any]) -> None:
    """Keeps the widgets `<page>_<name>` in the address, but for those that stand as usual."""
    now = {name: st.session_state.get(f"{page}_{name}") for name in usual}
    put(usual, {name: str(chosen) for name, chosen in now.items() if chosen not in (None, usual[name])})
