"""The list of scripts: tabs, filters, cards, pager; the address holds what is shown."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import streamlit as st

from backend.library import reads
from backend.library.models import AREAS, SCRIPT_TABS, ScriptPage, stages
from pages.shared import frame, widgets
from pages.shared.frame import User
from pages.shared.i18n import plain, t
from pages.shared.library import cards, script_figures, state, values, wording

TABS = (*SCRIPT_TABS, "figures")
_NARROWING = ("shop", "area", "stage", "scope", "q")
_NAMES = ("tab", *_NARROWING)


def sync(user: User) -> None:
    """Brings the widgets in line with the address."""
    shops = {str(shop.id) for shop in user.shops}
    state.sync(
        "scripts",
        {
            "tab": TABS.__contains__,
            "shop": shops.__contains__,
            "area": AREAS.__contains__,
            "stage": stages("both").__contains__,
            "scope": ("team", "personal").__contains__,
            "q": state.short,
        },
    )
    st.session_state["scripts_tab"] = state.value("scripts", "tab") or "usable"


def draw(user: User) -> None:
    """Tabs, filters and the cards."""
    tab = state.value("scripts", "tab")
    page: ScriptPage | None = None
    shop_id = int(found) if (found := state.value("scripts", "shop")) else None
    asked = {name: state.value("scripts", name) for name in ("area", "stage", "scope", "q")}
    with frame.boundary():
        after = widgets.cursor("scripts", tab, shop_id, asked)
        shown = "usable" if tab == "figures" else tab
        page = reads.scripts(frame.client(), tab=shown, shop_id=shop_id, after=after, **asked)
    _tabs(page.tabs if page else {})
    _filters(user, page, shop_id)
    if tab == "figures":
        script_figures.draw(shop_id)
    elif page is not None:
        _cards(user, page, shop_id, tab)


def _tabs(counts: Mapping[str, int]) -> None:
    always = ("usable", "pending", "draft", "figures")
    shown = [
        name for name in TABS if name in always or counts.get(name) or state.value("scripts", "tab") == name
    ]
    st.segmented_control(
        t("library.tabs"),
        shown,
        required=True,
        format_func=lambda name: _tab_words(name, counts),
        key="scripts_tab",
        label_visibility="collapsed",
        on_change=_write,
        wrap=True,
    )


def _tab_words(name: str, counts: Mapping[str, int]) -> str:
    words = plain(f"library.script_tab.{name}")
    return f"{words} {counts[name]}" if name in counts else words


def _filters(user: User, page: ScriptPage | None, shop_id: int | None) -> None:
    names = {str(shop.id): shop.name for shop in user.shops}
    with widgets.filter_row("scripts"):
        if len(names) > 1:
            _select("shop", list(names), lambda code: names[code], 170)
        if state.value("scripts", "tab") != "figures":
            _select("area", AREAS, lambda code: wording.name_of("area", code), 130)
            area = state.value("scripts", "area") or "both"
            _select("stage", stages(area), wording.stage, 150)
            _select("scope", ("team", "personal"), lambda code: wording.name_of("scope", code), 120)
            st.text_input(
                t("library.search"),
                key="scripts_q",
                placeholder=plain("library.search_example"),
                on_change=_write,
                max_chars=60,
                width=200,
            )
            if any(state.value("scripts", name) for name in _NARROWING):
                st.button(
                    t("common.clear_filters"),
                    icon=":material/filter_alt_off:",
                    key="scripts_clear",
                    type="tertiary",
                    on_click=_clear,
                )
            if page and page.rows and state.value("scripts", "tab") == "usable":
                values.fields(page.rows, values.base(user, shop_id))


def _select(name: str, options: Sequence[str], words: Callable[[str], str], width: int) -> None:
    widgets.choice(
        t(f"library.filter.{name}"), options, words, key=f"scripts_{name}", on_change=_write, width=width
    )


def _cards(user: User, page: ScriptPage, shop_id: int | None, tab: str) -> None:
    if not page.rows:
        _empty(tab)
        return
    usable = tab == "usable"
    if tab in ("stopped", "over"):
        st.caption(t(f"library.about.{tab}"))
    with st.grid(min_column_width=340, gap="small", key="scripts_cards"):
        for row in page.rows:
            where = shop_id or row.shop_id or user.shops[0].id if usable and user.shops else None
            cards.card(row, user, shop_id=where, given=values.base(user, where))
    widgets.pager(
        "scripts",
        next_cursor=page.next,
        shown=len(page.rows),
        total=page.tabs.get(tab),
    )


def _empty(tab: str) -> None:
    if any(state.value("scripts", name) for name in _NARROWING):
        box = widgets.empty_state(
            t("library.none_match"),
            t("library.none_match_hint"),
            icon=":material/filter_alt_off:",
            key="scripts",
        )
        box.button(t("common.clear_filters"), key="scripts_clear_empty", on_click=_clear)
        return
    widgets.empty_state(
        t(f"library.no_scripts.{tab}"),
        t("library.no_scripts_hint"),
        icon=":material/forum:",
        key="scripts",
    )


def _write() -> None:
    state.write("scripts", _NAMES)
    if state.value("scripts", "tab") == "usable":
        st.query_params.pop("tab", None)


def _clear() -> None:
    state.clear("scripts", _NARROWING)
