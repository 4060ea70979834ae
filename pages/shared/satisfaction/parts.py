"""What the lists of the page share: a line, a score in words, paging."""

from __future__ import annotations

from typing import Any

import streamlit as st

from pages.shared import home_links, widgets
from pages.shared.format import md
from pages.shared.i18n import plain, t

PAGE = 20


def after(key: str, *marks: Any) -> dict[str, Any] | None:
    """Where the shown page begins, as the database wants it."""
    found: dict[str, Any] | None = widgets.cursor(key, *marks)
    return found


def pager(key: str, following: dict[str, Any] | None, shown: int) -> None:
    """Previous and next."""
    widgets.pager(key, next_cursor=following, shown=shown)


def stars(score: int | None, *, low: int = 2) -> str:
    """Markdown of a score: figure and words, red where it is low. Never colour alone."""
    if score is None:
        return ""
    color = "red" if score <= low else "gray"
    icon = ":material/sentiment_dissatisfied:" if score <= low else ":material/star:"
    return f":{color}-badge[{icon} {plain('satisfaction.score', score=score)}]"


def ticket_link(ticket_id: int | None) -> None:
    """The way to a ticket, by its number."""
    if ticket_id:
        home_links.link(f"T-{ticket_id}", "ticket", query={"id": str(ticket_id)})


def order_link(order_id: int | None, order_no: str | None) -> None:
    """The way to an order, by its number."""
    if order_id and order_no:
        home_links.link(order_no, "orders", query={"id": str(order_id)})


def facts(*said: str | None) -> str:
    """Words of a line, escaped, with dots between."""
    return " · ".join(md(one) for one in said if one)


def quote(text: str | None) -> None:
    """What somebody said, as it is."""
    if text:
        st.markdown(f"> {md(text)}")


def nothing(key: str) -> None:
    """Why the list is empty, and what fills it."""
    widgets.empty_state(
        t(f"satisfaction.none.{key}"),
        t(f"satisfaction.none.{key}.hint"),
        icon=":material/sentiment_satisfied:",
        key=f"satisfaction_{key}",
    )
