"""Tabs and filters of the queue. The address holds them as backend.orders.models.QueueFilter writes them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from functools import partial
from typing import Any

import streamlit as st

from backend.orders.models import REVIEWED, QueueFilter
from pages.shared import address, widgets
from pages.shared.frame import User
from pages.shared.i18n import plain, t
from pages.shared.queue import words

TABS = ("open", "waiting", "mine", "overdue", "done", "same")
PAGE = 25
_NAMES = ("state", "kind", "platform", "shop_id", "amount_min", "amount_max", "owner", "due", "view")
_NARROWING = ("kind", "where", "min", "max", "owner", "due")
_OF_TAB: Mapping[str, Mapping[str, Any]] = {
    "waiting": {"state": "waiting_customer"},
    "mine": {"owner": "me"},
    "overdue": {"due": "overdue"},
    "done": {"state": "done"},
}
_COUNT_OF_TAB = {"open": "open", "waiting": "waiting_customer", "mine": "mine", "overdue": "overdue"}


def sync(user: User) -> None:
    """Brings the widgets in line with the address, which alone says what is filtered.

    By hand and not by `bind`: a bound selectbox writes its label, and labels depend on language and counts.
    """
    given = params()
    found = QueueFilter.parse(given)
    where = str(found.shop_id) if found.shop_id else found.platform
    values = {
        "tab": _tab_of(found, given),
        "kind": found.kind if found.kind in REVIEWED else None,
        "where": where if where in _places(user) else None,
        "min": None if found.amount_min is None else float(found.amount_min),
        "max": None if found.amount_max is None else float(found.amount_max),
        "owner": found.owner if found.owner == "none" else None,
        "due": found.due if found.due == "soon" else None,
    }
    for name, value in values.items():
        st.session_state[f"orders_{name}"] = value


def wanted() -> QueueFilter:
    """What the widgets ask for."""
    where = str(_value("where") or "")
    found = QueueFilter(
        kind=_value("kind"),
        shop_id=int(where) if where.isdigit() else None,
        platform=None if where.isdigit() else where or None,
        amount_min=_amount_of("min"),
        amount_max=_amount_of("max"),
        owner=_value("owner"),
        due=_value("due"),
        limit=PAGE,
    )
    return replace(found, **_OF_TAB.get(_value("tab") or "open", {}))


def narrowed() -> bool:
    """Whether anything but the tab narrows the list."""
    return any(_value(name) is not None for name in _NARROWING)


def clear() -> None:
    """Takes all filters back; the tab stays."""
    for name in _NARROWING:
        st.session_state[f"orders_{name}"] = None
    _write()


def params() -> dict[str, str]:
    """The filters in force as the address writes them."""
    return address.given(_NAMES)


def show(view: Mapping[str, str]) -> None:
    """Shows a saved view: exactly these filters."""
    address.put(_NAMES, view)


def tabs(counts: Mapping[str, int]) -> None:
    """Draws the tabs with their counts."""
    st.segmented_control(
        t("orders.tabs"),
        TABS,
        format_func=lambda name: _tab_words(name, counts),
        key="orders_tab",
        required=True,
        label_visibility="collapsed",
        on_change=_write,
        wrap=True,
    )


def draw(user: User) -> None:
    """Draws the filters; the ones that are rarely needed behind a button."""
    _select("kind", REVIEWED, words.kind_name, 150)
    _select("where", _places(user), partial(_place_words, user), 190)
    count = sum(_value(name) is not None for name in ("min", "max", "owner", "due"))
    label = t("orders.more_filters_n", count=count) if count else t("orders.more_filters")
    with st.popover(label, icon=":material/filter_list:", key="orders_more"):
        with st.container(horizontal=True, gap="small"):
            _amount("min")
            _amount("max")
        _select("owner", ("none",), lambda name: plain(f"orders.owner.{name}"), "stretch")
        _select("due", ("soon",), lambda name: plain(f"orders.due.{name}"), "stretch")
    if narrowed():
        st.button(t("common.clear_filters"), key="orders_clear", type="tertiary", on_click=clear)


def row() -> Any:
    """The container of the filter row."""
    return widgets.filter_row("orders")


def _select(name: str, options: Any, format_func: Any, width: Any) -> None:
    widgets.choice(
        t(f"orders.filter.{name}"), options, format_func, key=f"orders_{name}", on_change=_write, width=width
    )


def _amount(name: str) -> None:
    st.number_input(
        t(f"orders.filter.{name}"),
        min_value=0.0,
        max_value=99_999_999.0,
        value=None,
        step=100.0,
        placeholder=plain("orders.any_amount"),
        key=f"orders_{name}",
        on_change=_write,
    )


def _value(name: str) -> Any:
    return st.session_state.get(f"orders_{name}")


def _amount_of(name: str) -> Decimal | None:
    value = _value(name)
    return None if value is None else Decimal(f"{value:.2f}")


def _tab_of(found: QueueFilter, given: Mapping[str, str]) -> str:
    if given.get("view") == "same":
        return "same"
    for tab, fixed in _OF_TAB.items():
        if all(getattr(found, name) == value for name, value in fixed.items()):
            return tab
    return "open"


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


def _write() -> None:
    now = wanted().params() | ({"view": "same"} if _value("tab") == "same" else {})
    address.put(_NAMES, now)
