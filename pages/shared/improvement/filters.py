"""Tab, search, shop and view of the task page; the address holds them: `?tab=mine&view=board&q=…`."""

from __future__ import annotations

from typing import Any

import streamlit as st

from backend.improvement import reads
from backend.improvement.models import TaskList
from pages.shared import address, frame, widgets
from pages.shared.frame import User
from pages.shared.i18n import plain, t

TABS = ("open", "mine", "verifying", "done")
VIEWS = ("table", "board", "timeline")
_USUAL: dict[str, Any] = {"tab": "open", "view": "table", "shop": None, "source": None, "q": ""}


def sync(user: User) -> None:
    """Brings the widgets in line with the address, without nonsense."""
    given = {name: st.query_params.get(name, "") for name in _USUAL}
    values: dict[str, Any] = {
        "tab": given["tab"] if given["tab"] in TABS else TABS[0],
        "view": given["view"] if given["view"] in VIEWS else VIEWS[0],
        "shop": address.shop(user),
        "source": given["source"] if given["source"] in SOURCES else None,
        "q": given["q"][:60],
    }
    for name, value in values.items():
        st.session_state[f"tasks_{name}"] = value


SOURCES = ("anomaly", "feedback", "suggestion", "meeting", "root_cause", "low_score")


def draw(user: User) -> TaskList:
    """The row above the tasks, and the tasks that fit."""
    names = {shop.id: shop.name for shop in user.shops}
    with widgets.filter_row("tasks"):
        tab = st.segmented_control(
            t("tasks.tabs"),
            TABS,
            required=True,
            format_func=lambda name: plain(f"tasks.tab.{name}"),
            key="tasks_tab",
            on_change=_write,
            label_visibility="collapsed",
        )
        text = st.text_input(
            t("tasks.search"),
            key="tasks_q",
            on_change=_write,
            placeholder=plain("tasks.search_hint"),
            width=200,
            label_visibility="collapsed",
        )
        source = st.selectbox(
            t("tasks.source"),
            SOURCES,
            index=None,
            placeholder=plain("tasks.source"),
            format_func=lambda name: plain(f"tasks.source.{name}"),
            key="tasks_source",
            on_change=_write,
            width=140,
            label_visibility="collapsed",
        )
        shop = None
        if len(names) > 1:
            shop = st.selectbox(
                t("tasks.shop"),
                list(names),
                index=None,
                placeholder=plain("tasks.all_shops"),
                format_func=lambda key: names[key],
                key="tasks_shop",
                on_change=_write,
                width=150,
                label_visibility="collapsed",
            )
    return reads.tasks(frame.client(), tab=tab or TABS[0], shop_id=shop, source=source, text=text)


def whole(found: TaskList) -> TaskList:
    """The same for the board, whose last column is of what was accepted: not among the open tasks."""
    if st.session_state["tasks_tab"] != "open":
        return found
    given = {name: st.session_state.get(f"tasks_{name}") for name in ("source", "q", "shop")}
    done = reads.tasks(
        frame.client(), state="accepted", source=given["source"], text=given["q"], shop_id=given["shop"]
    )
    return found.model_copy(update={"rows": (*found.rows, *done.rows)})


def view() -> str:
    """Table, board or timeline."""
    chosen = st.segmented_control(
        t("tasks.view"),
        VIEWS,
        required=True,
        format_func=lambda name: plain(f"tasks.view.{name}"),
        key="tasks_view",
        on_change=_write,
        label_visibility="collapsed",
    )
    return chosen or VIEWS[0]


def _write() -> None:
    address.write("tasks", _USUAL)
