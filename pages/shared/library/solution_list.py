"""The list of solutions: tabs, filters, cards, pager."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import streamlit as st

from backend.library import reads
from backend.library.models import CASE_TYPES, SOLUTION_TABS, RootCause, Solution
from pages.shared import frame, widgets
from pages.shared.format import md
from pages.shared.i18n import plain, t
from pages.shared.library import state, wording

_NARROWING = ("cause", "type", "q")
_NAMES = ("view", "tab", *_NARROWING)


def sync(views: Sequence[str]) -> None:
    """Brings the widgets in line with the address."""
    state.sync(
        "knowledge",
        {
            "view": views.__contains__,
            "tab": SOLUTION_TABS.__contains__,
            "cause": state.number,
            "type": CASE_TYPES.__contains__,
            "q": state.short,
        },
    )
    st.session_state["knowledge_view"] = state.value("knowledge", "view") or views[0]
    st.session_state["knowledge_tab"] = state.value("knowledge", "tab") or SOLUTION_TABS[0]


def write() -> None:
    """Puts what is shown into the address."""
    state.write("knowledge", _NAMES)


def draw() -> None:
    """Filters and the cards."""
    tab = state.value("knowledge", "tab")
    causes = reads.root_causes(frame.client())
    asked = {name: state.value("knowledge", name) for name in ("type", "q")}
    cause = state.value("knowledge", "cause")
    after = widgets.cursor("knowledge", tab, cause, asked)
    page = reads.solutions(
        frame.client(),
        tab=tab,
        root_cause_id=int(cause) if cause else None,
        after=after,
        **asked,
    )
    _tabs(page.tabs)
    _filters(causes)
    if not page.rows:
        _empty(tab)
        return
    with st.grid(min_column_width=340, gap="small", key="knowledge_cards"):
        for row in page.rows:
            card(row)
    widgets.pager(
        "knowledge",
        next_cursor=page.next,
        shown=len(page.rows),
        total=page.tabs.get(tab),
    )


def card(row: Solution) -> None:
    """One solution, its steps folded after the first lines."""
    with st.container(border=True, gap="xsmall", key=f"knowledge_card_{row.id}", height="stretch"):
        st.markdown(f"**{md(row.title)}**")
        first = row.steps.split("\n")[:3]
        st.markdown("  \n".join(md(line) for line in first) + (" …" if row.steps.count("\n") > 2 else ""))
        st.caption(" · ".join(md(fact) for fact in facts(row) if fact))
        st.button(
            t("library.open"), key=f"knowledge_open_{row.id}", on_click=state.open_record, args=(row.id,)
        )


def facts(row: Solution) -> list[str]:
    """What a solution fits, and how it did. Plain text."""
    types = plain("common.listed").join(wording.stage(code) for code in row.case_types)
    voted = row.helpful + row.unhelpful
    helped = plain("library.helped", helpful=row.helpful, voted=voted) if voted else ""
    uses = plain("library.solution_uses", count=row.uses) if row.uses else ""
    until = plain("library.until", at=frame.clock(row.expires_at)) if row.expires_at else ""
    return [row.root_cause or "", types, row.sku, until, uses, helped]


def _tabs(counts: Mapping[str, int]) -> None:
    shown = [
        name
        for name in SOLUTION_TABS
        if name in ("published", "draft") or counts.get(name) or state.value("knowledge", "tab") == name
    ]
    st.segmented_control(
        t("library.tabs"),
        shown,
        required=True,
        format_func=lambda name: f"{plain(f'library.solution_tab.{name}')} {counts.get(name, 0)}",
        key="knowledge_tab",
        label_visibility="collapsed",
        on_change=write,
        wrap=True,
    )


def _filters(causes: Sequence[RootCause]) -> None:
    names = {str(one.id): one.path for one in causes}
    if state.value("knowledge", "cause") not in names:
        st.session_state["knowledge_cause"] = None
    with widgets.filter_row("knowledge"):
        widgets.choice(
            t("library.cause"), list(names), names.get, key="knowledge_cause", on_change=write, width=200
        )
        widgets.choice(
            t("library.case_types"),
            CASE_TYPES,
            wording.stage,
            key="knowledge_type",
            on_change=write,
            width=150,
        )
        st.text_input(
            t("library.search"),
            key="knowledge_q",
            placeholder=plain("library.search_solution"),
            on_change=write,
            max_chars=60,
            width=200,
        )
        if any(state.value("knowledge", name) for name in _NARROWING):
            st.button(
                t("common.clear_filters"),
                icon=":material/filter_alt_off:",
                key="knowledge_clear",
                type="tertiary",
                on_click=state.clear,
                args=("knowledge", _NARROWING),
            )


def _empty(tab: str) -> None:
    narrowed = any(state.value("knowledge", name) for name in _NARROWING)
    widgets.empty_state(
        t("library.none_match" if narrowed else f"library.no_solutions.{tab}"),
        t("library.none_match_hint" if narrowed else "library.no_solutions_hint"),
        icon=":material/filter_alt_off:" if narrowed else ":material/menu_book:",
        key="knowledge",
    )
