"""Scope and filters of the board. The address holds them as LeadFilter writes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import streamlit as st

from backend.leads import reads
from backend.leads.choices import COLUMNS, GRADES, SOURCES, LeadFilter
from pages.shared import address, frame, session, widgets
from pages.shared.frame import User
from pages.shared.i18n import plain, t
from pages.shared.leads import words

_NAMES = ("scope", "grade", "source", "shop_id", "need", "due", "owner", "column")
_VIEWS = ("board", "list")


def sync(user: User) -> dict[int, str]:
    """Brings the widgets in line with the address, which alone says what is filtered.

    Answers whose leads may be chosen: id -> name; nobody for those who do not look at everything.
    """
    found = LeadFilter.parse(params())
    for name in _NAMES:
        st.session_state[f"leads_{name}"] = getattr(found, name)
    st.session_state["leads_scope"] = found.scope or scopes(user)[0]
    st.session_state["leads_need"] = found.need or ""
    if found.shop_id not in [shop.id for shop in user.shops]:
        st.session_state["leads_shop_id"] = None
    view = st.query_params.get("view", "")
    st.session_state["leads_view"] = view if view in _VIEWS else _VIEWS[0]
    if found.column not in COLUMNS:
        st.session_state["leads_column"] = None
    whole = st.session_state["leads_scope"] == "all" and "all" in scopes(user)
    people = reads.makers(frame.client(), {shop.id for shop in user.shops}) if whole else {}
    if found.owner not in people:
        st.session_state["leads_owner"] = None
    return people


def scopes(user: User) -> tuple[str, ...]:
    """What a person may look at, the usual one first."""
    everything = user.has("manager", "admin", "analyst") or user.is_duty_lead
    if user.has("analyst", "admin"):
        return ("all", "pool")
    if user.has("manager"):
        return ("all", "mine", "pool")
    return ("mine", "pool", "all") if everything else ("mine", "pool")


def wanted() -> LeadFilter:
    """What the widgets ask for."""
    return LeadFilter(**{name: _value(name) or None for name in ("scope", *_narrowing())})


def _narrowing() -> tuple[str, ...]:
    """What narrows the view: a board shows all its columns."""
    return _NAMES[1:] if view() == "list" else _NAMES[1:-1]


def view() -> str:
    """`board` or `list`."""
    return str(_value("view") or _VIEWS[0])


def params() -> dict[str, str]:
    """The filters in force as the address writes them."""
    return address.given((*_NAMES, "view"))


def show(kept: Mapping[str, str]) -> None:
    """Shows a saved view: exactly these filters."""
    address.put((*_NAMES, "view"), kept)


def narrowed() -> bool:
    """Whether anything but the scope narrows the board."""
    return any(_value(name) for name in _narrowing())


def clear() -> None:
    """Takes all filters back; the scope stays."""
    for name in _narrowing():
        st.session_state[f"leads_{name}"] = "" if name == "need" else None
    _write()


def tabs(user: User, counts: Mapping[str, int]) -> None:
    """Whose leads, and as a board or a list."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="leads_tabs"):
        st.segmented_control(
            t("leads.scope"),
            scopes(user),
            format_func=partial(_scope_words, counts),
            key="leads_scope",
            required=True,
            label_visibility="collapsed",
            on_change=_write,
        )
        st.segmented_control(
            t("leads.view"),
            _VIEWS,
            format_func=lambda name: plain(f"leads.view.{name}"),
            key="leads_view",
            required=True,
            label_visibility="collapsed",
            on_change=_write,
        )


def draw(user: User, people: Mapping[int, str]) -> None:
    """The filters; in a narrow window behind one button, so that the cards stay in sight."""
    if session.width() == "narrow":
        count = sum(bool(_value(name)) for name in _narrowing())
        label = t("leads.filters_n", count=count) if count else t("leads.filters")
        with st.popover(label, icon=":material/filter_alt:", key="leads_filters_box"):
            _all(user, people)
    else:
        _all(user, people)


def _all(user: User, people: Mapping[int, str]) -> None:
    _select("grade", GRADES, lambda one: plain("leads.grade_n", grade=one), 110)
    _select("source", SOURCES, partial(words.of, "sources"), 140)
    _select("due", ("overdue", "today"), lambda one: plain(f"leads.due.{one}"), 130)
    if view() == "list":
        _select("column", COLUMNS, partial(words.of, "stages"), 130)
    if people:
        _select("owner", list(people), lambda one: words.owner(one, people[one], user.id), 130)
    if len(user.shops) > 1:
        names = {shop.id: shop.name for shop in user.shops}
        _select("shop_id", list(names), lambda one: names[one], 150)
    st.text_input(
        t("leads.filter.need"),
        key="leads_need",
        placeholder=plain("leads.need_hint"),
        width=140,
        max_chars=20,
        on_change=_write,
    )
    if narrowed():
        st.button(t("common.clear_filters"), key="leads_clear", type="tertiary", on_click=clear)


def row() -> Any:
    """The container of the filter row."""
    return widgets.filter_row("leads")


def _select(name: str, options: Sequence[Any], format_func: Any, width: Any) -> None:
    widgets.choice(
        t(f"leads.filter.{name}"), options, format_func, key=f"leads_{name}", on_change=_write, width=width
    )


def _value(name: str) -> Any:
    return st.session_state.get(f"leads_{name}")


def _scope_words(counts: Mapping[str, int], name: str) -> str:
    label = plain(f"leads.scope.{name}")
    count = counts.get(name)
    return label if count is None else f"{label} {words.capped(count)}"


def _write() -> None:
    now = wanted().params()
    if view() != _VIEWS[0]:
        now["view"] = view()
    address.put((*_NAMES, "view"), now)
