"""The parts all queues share: filter row, list pages by keyset, empty state, deadline chip, copy button."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import pandas as pd
import streamlit as st

from pages.shared import browser, session
from pages.shared import format as fmt
from pages.shared.format import Due, md
from pages.shared.frame import User
from pages.shared.i18n import locale, plain, t

_CHIP = {
    "overdue": ("red", ":material/error:"),
    "due_soon": ("orange", ":material/schedule:"),
    "paused": ("gray", ":material/pause_circle:"),
    "uncovered": ("gray", ":material/event_busy:"),
}


_INKS = {
    "overdue": {"light": "#B3261E", "dark": "#F0705E"},
    "due_soon": {"light": "#9A4A06", "dark": "#F0A347"},
    "paused": {"light": "#5F6A66", "dark": "#9AA5A1"},
}


def due_chip(due: Due) -> str:
    """Markdown of a deadline: icon, words and colour; on time is plain text, no deadline is empty."""
    if due.state not in _CHIP:
        return md(due.words)
    color, icon = _CHIP[due.state]
    return f":{color}-badge[{icon} {md(due.words)}]"


def due_table(rows: Sequence[Mapping[str, Any]], dues: Sequence[str]) -> Any:
    """Rows for st.dataframe whose column `due` has the colour of its state (`Due.state` of each row)."""
    theme = "dark" if st.context.theme.type == "dark" else "light"
    colors = [f"color: {_INKS[due][theme]}; font-weight: 600" if due in _INKS else "" for due in dues]
    return pd.DataFrame(rows).style.apply(lambda _: colors, subset=["due"])


def due_of(due_at: str | None, *, state: str = "running", reason: str = "") -> Due:
    """How a deadline of the API stands now, in this run's language."""
    return fmt.due(due_at, state=state, lang=locale(), reason=reason)


def filter_row(key: str) -> Any:
    """The row above a list: `with widgets.filter_row("orders"):` then selectboxes, pills and inputs side by
    side.

    Give each widget `bind="query-params"` and a key, so that a filter is part of the address.
    """
    return st.container(horizontal=True, vertical_alignment="bottom", gap="small", key=f"{key}_filters")


def choice(
    label: str,
    options: Sequence[Any],
    words: Callable[[Any], str] = str,
    *,
    key: str,
    on_change: Callable[[], None],
    width: int | Literal["stretch"],
) -> Any:
    """A filter of the row: one of the options, named by `words`; nothing chosen means all of them."""
    return st.selectbox(
        label,
        options,
        index=None,
        placeholder=plain("common.all"),
        format_func=words,
        key=key,
        on_change=on_change,
        width=width,
    )


def shop_choice(user: User, label: str, *, key: str, on_change: Callable[[], None], width: int = 170) -> None:
    """The shops of a person as a filter, where he has several; the value is the shop's id."""
    names = {shop.id: shop.name for shop in user.shops}
    if len(names) > 1:
        choice(label, list(names), names.__getitem__, key=key, on_change=on_change, width=width)


def draws(layout: str) -> bool:
    """Whether the rows need to be drawn as "wide" (table) or "narrow" (cards): both until the width is known.

    For long lists: what the window does not show costs the browser as much as what it shows.
    """
    return session.width() in (None, layout)


def wide(key: str) -> Any:
    """A container for wide windows only (tables); put the cards of the same rows into `narrow`."""
    return st.container(key=f"wide_{key}")


def narrow(key: str) -> Any:
    """A container for windows up to 640 px only: docked beside the shop's chat tool, and phones."""
    return st.container(key=f"narrow_{key}", gap="small")


def empty_state(text: str, hint: str = "", *, icon: str = ":material/inbox:", key: str = "empty") -> Any:
    """Says why a list is empty and what to do next; returns the container for a button or a link."""
    box = st.container(border=True, horizontal_alignment="center", key=f"{key}_empty", gap="xsmall")
    with box:
        st.markdown(f":gray[{icon}]", text_alignment="center")
        st.markdown(f"**{text}**", text_alignment="center")
        if hint:
            st.caption(hint, text_alignment="center")
    return box


def cursor(key: str, *filters: Any) -> Any:
    """Where the shown page of a keyset list begins, as the page before gave it; None for the first one.

    Changing a filter starts over.
    """
    state = _pager_state(key, filters)
    return state["trail"][-1] if state["trail"] else None


def pager(key: str, *, next_cursor: Any, shown: int, total: int | None = None, capped: bool = False) -> None:
    """Previous and next below a list. Call `cursor` first with the same key.

    `next_cursor`: where the next page begins, None on the last one; `total` with `capped` reads "1000+".
    """
    trail: list[Any] = st.session_state[f"{key}_pager"]["trail"]
    if not trail and next_cursor is None and total is None:
        return
    with st.container(
        horizontal=True, horizontal_alignment="right", vertical_alignment="center", gap="small"
    ):
        if total is not None:
            count = f"{total}+" if capped else str(total)
            st.caption(t("common.shown_of", shown=shown, total=count), width="content")
        st.button(
            t("common.previous"),
            key=f"{key}_previous",
            icon=":material/chevron_left:",
            disabled=not trail,
            on_click=_step_back,
            args=(key,),
        )
        st.button(
            t("common.next"),
            key=f"{key}_next",
            icon=":material/chevron_right:",
            icon_position="right",
            disabled=next_cursor is None,
            on_click=_step_on,
            args=(key, next_cursor),
        )


def copy_button(text: str, *, key: str, label: str | None = None, tell: bool = False) -> bool:
    """A button that copies `text` to the clipboard; with `tell` True in the run after the click."""
    return browser.copy_button(label or t("common.copy"), text, copied=t("common.copied"), key=key, tell=tell)


def chips(words: Sequence[str], *, color: str = "gray") -> str:
    """Markdown of small labels in a row."""
    return " ".join(f":{color}-badge[{md(word)}]" for word in words)


def _pager_state(key: str, filters: tuple[Any, ...]) -> dict[str, Any]:
    name = f"{key}_pager"
    mark = repr(filters)
    if name not in st.session_state or st.session_state[name]["filters"] != mark:
        st.session_state[name] = {"filters": mark, "trail": []}
    found: dict[str, Any] = st.session_state[name]
    return found


def _step_on(key: str, next_cursor: Any) -> None:
    st.session_state[f"{key}_pager"]["trail"].append(next_cursor)


def _step_back(key: str) -> None:
    trail = st.session_state[f"{key}_pager"]["trail"]
    if trail:
        trail.pop()


def menu(label: str, choices: Mapping[Any, str], *, key: str, disabled: bool) -> Any:
    """A button that offers these choices: the one picked in this run, or None. Without any it is disabled."""
    if not choices:  # a menu without entries is an error of Streamlit
        st.button(label, key=f"{key}_none", disabled=True)
        return None
    return st.menu_button(
        label, options=list(choices), format_func=lambda one: choices[one], key=key, disabled=disabled
    )
