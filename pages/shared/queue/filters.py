"""Tabs and filters of the queue: what the address says, what the widgets show, what the API is asked."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import streamlit as st

from pages.shared import widgets
from pages.shared.frame import User
from pages.shared.i18n import plain, t
from pages.shared.queue import words

TABS = ("open", "waiting", "mine", "overdue", "done", "same")
OWNERS = ("me", "none")
DUES = ("overdue", "soon")
NAMES = ("tab", "kind", "where", "min", "max", "owner", "due")
_SEEN = "orders_seen_address"
_OF_TAB: Mapping[str, Mapping[str, str]] = {
    "open": {"state": "open"},
    "waiting": {"state": "waiting_customer"},
    "mine": {"state": "open", "owner": "me"},
    "overdue": {"state": "open", "due": "overdue"},
    "done": {"state": "done"},
    "same": {"state": "open"},
}
_COUNT_OF_TAB = {"open": "open", "waiting": "waiting_customer", "mine": "mine", "overdue": "overdue"}


def sync(user: User) -> None:
    """Takes the filters of the address into the widgets when the address is not the one they wrote.

    By hand and not by `bind`: a bound selectbox writes its label, which depends on language and counts.
    """
    given = {name: st.query_params.get(name, "") for name in NAMES}
    if st.session_state.get(_SEEN) == given and "orders_tab" in st.session_state:
        return
    st.session_state[_SEEN] = given
    for name, text in given.items():
        st.session_state[f"orders_{name}"] = _read(name, text, user)


def wanted() -> dict[str, Any]:
    """The filter for the API."""
    values = {name: st.session_state.get(f"orders_{name}") for name in NAMES}
    found: dict[str, Any] = {"kind": values["kind"], "owner": values["owner"], "due": values["due"]}
    where = str(values["where"] or "")
    found["shop_id" if where.isdigit() else "platform"] = where or None
    found |= {"amount_min": values["min"], "amount_max": values["max"]}
    found |= _OF_TAB[values["tab"] or "open"]
    return {name: value for name, value in found.items() if value is not None}


def active() -> dict[str, str]:
    """The filters in force as the address writes them, without the tab."""
    return {name: text for name in NAMES[1:] if (text := st.query_params.get(name, ""))}


def clear() -> None:
    """Takes all filters back; the tab stays."""
    for name in NAMES[1:]:
        st.session_state[f"orders_{name}"] = None
        _write(name)


def apply(params: Mapping[str, str]) -> None:
    """Shows a saved view: exactly these filters."""
    for name in NAMES:
        if name in params:
            st.query_params[name] = params[name]
        elif name in st.query_params:
            del st.query_params[name]
    st.session_state.pop(_SEEN, None)


def tabs(counts: Mapping[str, int]) -> str:
    """Draws the tabs with their counts and returns the one that is open."""
    chosen: str = st.segmented_control(
        t("orders.tabs"),
        TABS,
        format_func=lambda name: _tab_words(name, counts),
        key="orders_tab",
        required=True,
        label_visibility="collapsed",
        on_change=partial(_write, "tab"),
        wrap=True,
    )
    return chosen


def draw(user: User) -> None:
    """Draws the filter row."""
    _select("kind", words.KINDS, words.kind, 150)
    _select("where", _places(user), partial(_place_words, user), 190)
    count = sum(name in active() for name in ("min", "max", "owner", "due"))
    label = t("orders.more_filters_n", count=count) if count else t("orders.more_filters")
    with st.popover(label, icon=":material/filter_list:", key="orders_more"):
        with st.container(horizontal=True, gap="small"):
            _amount("min")
            _amount("max")
        _select("owner", OWNERS, lambda name: plain(f"orders.owner.{name}"), "stretch")
        _select("due", DUES, lambda name: plain(f"orders.due.{name}"), "stretch")
    if active():
        st.button(t("common.clear_filters"), key="orders_clear", type="tertiary", on_click=clear)


def row() -> Any:
    """The container of the filter row."""
    return widgets.filter_row("orders")


def _select(name: str, options: Any, format_func: Any, width: Any) -> None:
    st.selectbox(
        t(f"orders.filter.{name}"),
        options,
        index=None,
        placeholder=plain("common.all"),
        format_func=format_func,
        key=f"orders_{name}",
        width=width,
        on_change=partial(_write, name),
    )


def _amount(name: str) -> None:
    st.number_input(
        t(f"orders.filter.{name}"),
        min_value=0.0,
        value=None,
        step=100.0,
        format="%.2f",
        placeholder=plain("orders.any_amount"),
        key=f"orders_{name}",
        on_change=partial(_write, name),
    )


def _tab_words(name: str, counts: Mapping[str, int]) -> str:
    count = counts.get(_COUNT_OF_TAB.get(name, ""))
    label = plain(f"orders.tab.{name}")
    return label if count is None else f"{label} {words.capped(count)}"


def _places(user: User) -> list[str]:
    platforms = sorted({shop.platform for shop in user.shops})
    return [*(platforms if len(platforms) > 1 else []), *(str(shop.id) for shop in user.shops)]


def _place_words(user: User, place: str) -> str:
    shop = user.shop(int(place)) if place.isdigit() else None
    return shop.name if shop else plain("orders.all_of", platform=plain(f"platform.{place}"))


def _read(name: str, text: str, user: User) -> Any:
    known = {"tab": TABS, "kind": words.KINDS, "where": _places(user), "owner": OWNERS, "due": DUES}
    if name in known:
        return text if text in known[name] else ("open" if name == "tab" else None)
    try:
        value = float(text)
    except ValueError:
        return None
    return value if 0 <= value < 1e9 else None


def _write(name: str) -> None:
    value = st.session_state.get(f"orders_{name}")
    if value is None or (name == "tab" and value == "open"):
        st.query_params.pop(name, None)
    else:
        st.query_params[name] = f"{value:g}" if isinstance(value, float) else str(value)
    st.session_state[_SEEN] = {key: st.query_params.get(key, "") for key in NAMES}
