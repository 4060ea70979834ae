"""The words that hold, with search and filters in the address, and the exceptions to them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
import streamlit as st

from backend.compliance import reads
from backend.compliance.models import Word, WordException
from backend.compliance.transfer import PLATFORMS
from backend.words.dictionary import CATEGORIES
from pages.shared import frame, widgets
from pages.shared.format import md
from pages.shared.frame import User
from pages.shared.i18n import plain, t
from pages.shared.words import dictionary_state, wording

_NAMES = ("q", "category", "severity", "platform", "origin", "active")
_OPTIONS: dict[str, Sequence[str]] = {
    "category": tuple(CATEGORIES),
    "severity": ("block", "warn"),
    "platform": PLATFORMS,
    "origin": ("shipped", "own"),
    "active": ("yes", "no"),
}
_PAGE = 50
_EXCEPTIONS = 50


def words(user: User) -> None:
    """The list of words; a click opens one."""
    _sync()
    _filters(user)
    asked = {name: st.session_state.get(f"dictionary_{name}") or None for name in _NAMES}
    active = {"yes": True, "no": False}.get(asked.pop("active") or "")
    after = widgets.cursor("dictionary", asked, active)
    page = reads.words(frame.client(), **asked, is_active=active, after=after, limit=_PAGE)
    st.caption(t("dictionary.version_now", version=page.version))
    if not page.rows:
        widgets.empty_state(
            t("dictionary.none"), t("dictionary.none_hint"), icon=":material/search_off:", key="dictionary"
        )
        return
    if widgets.draws("wide"):
        with widgets.wide("dictionary"):
            _table(page.rows)
    if widgets.draws("narrow"):
        with widgets.narrow("dictionary"):
            for word in page.rows:
                _card(word)
    widgets.pager("dictionary", next_cursor=page.next, shown=len(page.rows))


def _sync() -> None:
    for name in _NAMES:
        given = st.query_params.get(name, "")
        if name == "q":
            st.session_state["dictionary_q"] = given[:60]
        else:
            st.session_state[f"dictionary_{name}"] = given if given in _OPTIONS[name] else None


def _filters(user: User) -> None:
    with widgets.filter_row("dictionary"):
        st.text_input(
            t("dictionary.filter.q"),
            key="dictionary_q",
            placeholder=plain("dictionary.q_example"),
            max_chars=60,
            on_change=_write,
            width=170,
            icon=":material/search:",
        )
        for name, options in _OPTIONS.items():
            widgets.choice(
                t(f"dictionary.filter.{name}"),
                options,
                lambda code, name=name: _option(name, code),
                key=f"dictionary_{name}",
                on_change=_write,
                width=118,
            )
        if any(st.session_state.get(f"dictionary_{name}") for name in _NAMES):
            st.button(t("common.clear_filters"), key="dictionary_clear", type="tertiary", on_click=_clear)
        if user.has("operations", "manager"):
            st.button(
                t("dictionary.new_word"),
                key="dictionary_new",
                icon=":material/add:",
                shortcut="Alt+A",
                on_click=dictionary_state.open_new,
                args=("word",),
            )


def _option(name: str, code: str) -> str:
    if name == "platform":
        return plain(f"platform.{code}")
    return wording.name_of(name, code)


def _write() -> None:
    for name in _NAMES:
        value = st.session_state.get(f"dictionary_{name}")
        if value:
            st.query_params[name] = str(value)
        else:
            st.query_params.pop(name, None)


def _clear() -> None:
    for name in _NAMES:
        st.query_params.pop(name, None)


def _table(rows: Sequence[Word]) -> None:
    theme = "dark" if st.context.theme.type == "dark" else "light"
    colors = [f"color: {wording.TEXT_COLORS[word.severity][theme]}; font-weight: 600" for word in rows]
    cells = pd.DataFrame([_cells(word) for word in rows])
    text = st.column_config.TextColumn
    widths = {
        "term": 130,
        "category": 110,
        "severity": 110,
        "legal_basis": 230,
        "suggestion": 250,
        "platforms": 110,
        "state": 90,
    }
    event = st.dataframe(
        cells.style.apply(lambda _: colors, subset=["severity"]),
        hide_index=True,
        key=dictionary_state.table_key(),
        on_select="rerun",
        selection_mode="single-cell",
        column_config={
            name: text(plain(f"dictionary.column.{name}"), width=width) for name, width in widths.items()
        },
        height=620 if len(rows) > 15 else "content",
        alt=plain("dictionary.title"),
    )
    found = event["selection"]["cells"]
    if found:
        dictionary_state.open_word(rows[found[0][0]].term)
        st.rerun()
    st.caption(t("dictionary.open_hint"))


def _cells(word: Word) -> dict[str, Any]:
    return {
        "term": word.term,
        "category": wording.name_of("category", word.category),
        "severity": wording.verdict_cell(word.severity),
        "legal_basis": word.legal_basis,
        "suggestion": word.suggestion,
        "platforms": platforms_of(word.platforms),
        "state": wording.name_of("active", "yes" if word.is_active else "no"),
    }


def platforms_of(codes: Sequence[str]) -> str:
    """The platforms of a word in words; empty means everywhere."""
    return ", ".join(plain(f"platform.{code}") for code in codes) or plain("dictionary.everywhere")


def _card(word: Word) -> None:
    with st.container(border=True, gap="xxsmall", key=f"dictionary_card_{word.id}"):
        off = "" if word.is_active else f" :gray-badge[{md(wording.name_of('active', 'no'))}]"
        st.markdown(f"{wording.severity_mark(word.severity)} **{md(word.term)}**{off}")
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.caption(md(wording.name_of("category", word.category)), width="stretch")
            if st.button(t("dictionary.open"), key=f"dictionary_open_{word.id}"):
                dictionary_state.open_word(word.term)
                st.rerun()


# --- exceptions ---


def exceptions(user: User) -> None:
    """Where words are harmless or need evidence; searched by word."""
    with widgets.filter_row("dictionary_exceptions"):
        asked = st.text_input(
            t("dictionary.filter.term"), key="dictionary_exception_q", max_chars=60, width=220
        ).strip()
        if user.has("operations", "manager"):
            st.button(
                t("dictionary.new_exception"),
                key="dictionary_new_exception",
                icon=":material/add:",
                on_click=dictionary_state.open_new,
                args=("exception",),
            )
    found = [
        one for one in reads.exceptions(frame.client()) if not asked or any(asked in x for x in one.terms)
    ]
    if not found:
        widgets.empty_state(
            t("dictionary.no_exception"),
            t("dictionary.none_hint"),
            icon=":material/search_off:",
            key="exceptions",
        )
        return
    place = widgets.cursor("dictionary_exceptions", asked) or 0
    shown = found[place : place + _EXCEPTIONS]
    _exception_table(shown)
    more = place + _EXCEPTIONS if place + _EXCEPTIONS < len(found) else None
    widgets.pager("dictionary_exceptions", next_cursor=more, shown=len(shown), total=len(found))


def _exception_table(shown: Sequence[WordException]) -> None:
    cells = pd.DataFrame([_exception_cells(one) for one in shown])
    text = st.column_config.TextColumn
    widths = {"terms": 200, "effect": 170, "place": 130, "pattern": 320, "note": 220, "state": 80}
    event = st.dataframe(
        cells,
        hide_index=True,
        key=f"{dictionary_state.table_key()}_exceptions",
        on_select="rerun",
        selection_mode="single-cell",
        column_config={
            name: text(plain(f"dictionary.column.{name}"), width=width) for name, width in widths.items()
        },
        height=620 if len(shown) > 15 else "content",
        alt=plain("dictionary.tab.exceptions"),
    )
    picked = event["selection"]["cells"]
    if picked:
        dictionary_state.open_exception(shown[picked[0][0]].id)
        st.rerun()
    st.caption(t("dictionary.open_hint"))


def _exception_cells(one: WordException) -> dict[str, Any]:
    return {
        "terms": plain("common.listed").join(one.terms),
        "effect": wording.name_of("effect", one.effect),
        "place": wording.name_of("place", one.place or "phrase"),
        "pattern": one.pattern,
        "note": one.note,
        "state": wording.name_of("active", "yes" if one.is_active else "no"),
    }
