"""Tabs, search and filters of the list. The address holds them as TicketFilter writes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from functools import partial
from typing import Any

import streamlit as st

from backend.tickets.choices import SEVERITIES, STATES, TABS, TYPES, TicketFilter
from pages.shared import address, widgets
from pages.shared.frame import User
from pages.shared.i18n import plain, t
from pages.shared.tickets import words

_DAYS = ("since", "until")
_COUNTED = ("handler", "solved")  # of a period: as the figures of after-sales insight count
_NAMES = ("tab", "type", "state", "shop_id", "owner", "severity", "root_cause", "due", "q", *_DAYS, *_COUNTED)
_NARROWING = _NAMES[1:]


def sync(user: User) -> None:
    """Brings the widgets in line with the address, which alone says what is filtered."""
    given = params()
    found = TicketFilter.parse({"tab": _usual_tab(user)} | given)
    values: dict[str, Any] = {name: getattr(found, name) for name in _NAMES}
    if values["shop_id"] not in [shop.id for shop in user.shops]:
        values["shop_id"] = None
    values["q"] = values["q"] or ""
    values["days"] = tuple(date.fromisoformat(values[name]) for name in _DAYS if values[name])
    for name, value in values.items():
        st.session_state[f"tickets_{name}"] = value


def wanted() -> TicketFilter:
    """What the widgets ask for."""
    values = {name: None if _value(name) == "" else _value(name) for name in _NARROWING}
    return TicketFilter(tab=_value("tab") or "mine", **values)


def params() -> dict[str, str]:
    """The filters in force as the address writes them."""
    return address.given(_NAMES)


def show(view: Mapping[str, str]) -> None:
    """Shows a saved view: exactly these filters."""
    address.put(_NAMES, view)


def narrowed() -> bool:
    """Whether anything but the tab narrows the list."""
    return any(_value(name) not in (None, "") for name in _NARROWING)


def clear() -> None:
    """Takes all filters back; the tab stays."""
    for name in _NARROWING:
        st.session_state[f"tickets_{name}"] = "" if name == "q" else None
    st.session_state["tickets_days"] = ()
    _write()


def tabs(counts: Mapping[str, int]) -> None:
    """Draws the tabs with their counts."""
    st.segmented_control(
        t("tickets.tabs"),
        TABS,
        format_func=partial(_tab_words, counts),
        key="tickets_tab",
        required=True,
        label_visibility="collapsed",
        on_change=_write,
        wrap=True,
    )


def draw(user: User, causes: Mapping[int, str]) -> None:
    """Draws search and filters; the ones that are rarely needed behind a button."""
    st.text_input(
        t("tickets.search"),
        key="tickets_q",
        type="search",
        placeholder=plain("tickets.search_hint"),
        icon=":material/search:",
        on_change=_write,
        width=220,
        max_chars=200,
    )
    _select("type", TYPES, partial(words.of, "types"), 140)
    if len(user.shops) > 1:
        names = {shop.id: shop.name for shop in user.shops}
        _select("shop_id", list(names), lambda one: names[one], 150)
    count = sum(bool(_value(name)) for name in ("state", "owner", "severity", "root_cause", "due", "since"))
    label = t("tickets.more_filters_n", count=count) if count else t("tickets.more_filters")
    with st.popover(label, icon=":material/filter_list:", key="tickets_more"):
        _select("state", STATES, partial(words.of, "states"), "stretch")
        _select("severity", SEVERITIES, partial(words.of, "severities"), "stretch")
        _select("due", ("overdue", "soon"), lambda one: plain(f"tickets.due.{one}"), "stretch")
        _select("owner", ("me", "none"), lambda one: plain(f"tickets.owner.{one}"), "stretch")
        _select("root_cause", list(causes), lambda one: causes[one], "stretch")
        st.date_input(  # two days, because sync() put two or none into its state; a default beside that warns
            t("tickets.filter.days"),
            help=t("tickets.filter.days_help"),
            key="tickets_days",
            on_change=_write_days,
        )
    if narrowed():
        st.button(t("common.clear_filters"), key="tickets_clear", type="tertiary", on_click=clear)


def counted(names: Mapping[int, str]) -> str:
    """What the list of a period is behind: days, handler, not solved; empty without one. Plain text."""
    if not _value("since"):
        return ""
    parts = [plain("tickets.period", since=_value("since"), until=_value("until"))]
    if (handler := _value("handler")) is not None:
        parts.append(plain("tickets.period_handler", who=names.get(handler) or plain("tickets.nobody")))
    if _value("solved"):
        parts.append(plain("tickets.period_unsolved"))
    return " · ".join(parts)


def handler() -> int | None:
    """Whose cases a figure counted, if the list is behind one of a person."""
    found: int | None = _value("handler")
    return found


def row() -> Any:
    """The container of the filter row."""
    return widgets.filter_row("tickets")


def _usual_tab(user: User) -> str:
    """Where a role begins: who handles cases on his own, everybody else on all."""
    return "mine" if user.has("agent", "manager") else "all"


def _select(name: str, options: Sequence[Any], format_func: Any, width: Any) -> None:
    if _value(name) not in (None, *options):
        options = [*options, _value(name)]
    st.selectbox(
        t(f"tickets.filter.{name}"),
        options,
        index=None,
        placeholder=plain("common.all"),
        format_func=format_func,
        key=f"tickets_{name}",
        width=width,
        on_change=_write,
    )


def _value(name: str) -> Any:
    return st.session_state.get(f"tickets_{name}")


def _tab_words(counts: Mapping[str, int], name: str) -> str:
    label = plain(f"tickets.tab.{name}")
    count = counts.get(name)
    return label if count is None else f"{label} {words.capped(count)}"


def _write_days() -> None:
    days = st.session_state["tickets_days"]
    if len(days) == 1:  # the second day is still to come
        return
    for name, day in zip(_DAYS, days or (None, None), strict=True):
        st.session_state[f"tickets_{name}"] = day.isoformat() if day else None
    if not days:
        for name in _COUNTED:
            st.session_state[f"tickets_{name}"] = None
    _write()


def _write() -> None:
    found = wanted()
    now = found.params() | {"tab": found.tab}
    address.put(_NAMES, now)
