"""Tabs and filters of the listings; the address holds them: `?tab=text_review&verdict=block`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from backend.compliance.models import VERDICTS
from pages.shared import address, saved_views, widgets
from pages.shared.frame import User
from pages.shared.i18n import plain, t
from pages.shared.words import wording

TABS = (
    "todo",
    "draft",
    "text_review",
    "images",
    "final_review",
    "ready",
    "published",
    "suspended",
    "all",
    "withdrawn",
)
_NAMES = ("tab", "verdict", "where", "author", "q")
_NARROWING = ("verdict", "where", "author", "q")
PAGE = 25


def sync(user: User) -> None:
    """Brings the widgets in line with the address, which alone says what is filtered, without nonsense."""
    given = {name: st.query_params.get(name, "") for name in _NAMES}
    values: dict[str, Any] = {
        "tab": given["tab"] if given["tab"] in TABS else ("all" if given["verdict"] else "todo"),
        "verdict": given["verdict"] if given["verdict"] in VERDICTS else None,
        "where": given["where"] if given["where"] in _places(user) else None,
        "author": "me" if given["author"] == "me" else None,
        "q": given["q"][:60],
    }
    for name, value in values.items():
        st.session_state[f"listings_{name}"] = value


def wanted() -> dict[str, Any]:
    """What the widgets ask for, as `reads.listings` takes it."""
    tab = value("tab") or "todo"
    where = str(value("where") or "")
    return {
        "state": None if tab in ("todo", "all") else tab,
        "todo": tab == "todo",
        "verdict": value("verdict"),
        "shop_id": int(where) if where.isdigit() else None,
        "platform": None if where.isdigit() else where or None,
        "author": value("author"),
        "q": str(value("q") or "").strip() or None,
    }


def params() -> dict[str, str]:
    """The filters in force as the address writes them."""
    return address.given(_NAMES)


def show(view: Mapping[str, str]) -> None:
    """Shows a saved view: exactly these filters."""
    address.put(_NAMES, view)


def value(name: str) -> Any:
    """The value of a filter."""
    return st.session_state.get(f"listings_{name}")


def narrowed() -> bool:
    """Whether anything but the tab narrows the list."""
    return any(value(name) for name in _NARROWING)


def clear() -> None:
    """Takes all filters back; the tab stays."""
    for name in _NARROWING:
        st.session_state[f"listings_{name}"] = "" if name == "q" else None
    _write()


def tabs(counts: Mapping[str, int]) -> None:
    """The stations of a text with their counts."""
    shown = [name for name in TABS if name != "suspended" or counts.get(name) or value("tab") == name]
    st.segmented_control(
        t("listings.tabs"),
        shown,
        required=True,
        format_func=lambda name: _tab_words(name, counts),
        key="listings_tab",
        label_visibility="collapsed",
        on_change=_write,
        wrap=True,
    )


def draw(user: User) -> None:
    """The filters of the row."""
    with widgets.filter_row("listings"):
        _select("verdict", VERDICTS, lambda code: wording.name_of("verdict", code), 150)
        _select("where", _places(user), lambda place: _place_words(user, place), 190)
        _select("author", ("me",), lambda _: plain("listings.author.me"), 140)
        st.text_input(
            t("listings.filter.q"),
            key="listings_q",
            placeholder=plain("listings.q_example"),
            on_change=_write,
            max_chars=60,
            width=210,
        )
        saved_views.draw(user, "listings", params=params(), show=show)
        if narrowed():
            st.button(
                t("common.clear_filters"),
                icon=":material/filter_alt_off:",
                key="listings_clear",
                type="tertiary",
                on_click=clear,
            )


def _select(name: str, options: Sequence[str], words: Any, width: int) -> None:
    widgets.choice(
        t(f"listings.filter.{name}"), options, words, key=f"listings_{name}", on_change=_write, width=width
    )


def _tab_words(name: str, counts: Mapping[str, int]) -> str:
    words = wording.name_of("state", name) if name not in ("todo", "all") else plain(f"listings.tab.{name}")
    count = counts.get(name)
    return words if count is None else f"{words} {'1000+' if count > 1000 else count}"


def _places(user: User) -> list[str]:
    platforms = sorted({shop.platform for shop in user.shops})
    return [*(platforms if len(platforms) > 1 else []), *(str(shop.id) for shop in user.shops)]


def _place_words(user: User, place: str) -> str:
    shop = user.shop(int(place)) if place.isdigit() else None
    return shop.name if shop else plain("listings.all_of", platform=plain(f"platform.{place}"))


def _write() -> None:
    chosen = {name: str(found) for name in _NAMES if (found := value(name))}
    address.put(_NAMES, {name: text for name, text in chosen.items() if (name, text) != ("tab", "todo")})
