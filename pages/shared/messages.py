"""Messages of the desk in words, and the way from each to what it is about. For bell and inbox."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl, urlsplit

import streamlit as st

from backend import deadlines
from backend.reminders import Notification
from pages.shared import format as fmt
from pages.shared import frame, home_links, navigation, widgets
from pages.shared.i18n import locale, t

_ICONS = {
    "due_soon": ":material/schedule:",
    "overdue": ":material/error:",
    "returned": ":material/undo:",
    "raised": ":material/priority_high:",
    "digest": ":material/format_list_bulleted:",
    "daily": ":material/today:",
    "wait_ended": ":material/hourglass_bottom:",
    "handover_open": ":material/sync_alt:",
    "handover": ":material/sync_alt:",
    "handover_declined": ":material/undo:",
    "handover_left": ":material/inbox:",
    "low_score": ":material/sentiment_dissatisfied:",
    "low_ratings": ":material/sentiment_dissatisfied:",
    "task_accepted": ":material/task_alt:",
    "task_failed": ":material/error:",
    "task_inconclusive": ":material/help:",
    "task_regressed": ":material/trending_down:",
}
_FIGURES = ("overdue", "approvals", "done", "on_time", "due_tonight")


def line(note: Notification) -> str:
    """Markdown of a message: icon, deadline, what it is about."""
    if note.kind == "digest":
        left = note.params.get("open", note.params["count"])
        return f"{_ICONS['digest']} {t('inbox.digest', count=note.params['count'], open=left)}"
    if note.kind == "daily":
        return f"{_ICONS['daily']} {t('inbox.daily', day=str(note.params['day'])[5:])}"
    if "title" in note.params:
        return f"{_ICONS[note.kind]} {t(f'inbox.kinds.{note.kind}', what=note.params['title'])}"
    if "count" in note.params:
        facts = {"count": note.params["count"], "who": note.params.get("who", "")}
        return f"{_ICONS[note.kind]} {t(f'inbox.kinds.{note.kind}', **facts)}"
    return f"{_ICONS[note.kind]} {t(f'inbox.kind.{note.kind}', what=_subject(note.params))}"


def state(note: Notification) -> str:
    """Markdown of how the matter stands now: its deadline, or that it is over."""
    if note.closed_at is not None:
        return f":gray[{t('inbox.over')}]"
    due = widgets.due_chip(widgets.due_of(note.params["due_at"])) if note.params.get("due_at") else ""
    return str(due)


def facts(note: Notification) -> str:
    """Plain words under a message: which rule, which shop, when it was said."""
    said = [note.params.get("policy"), note.params.get("shop"), frame.clock(note.created_at)]
    return " · ".join(fmt.md(one) for one in said if one)


def details(note: Notification) -> None:
    """What a digest or the figures of a day hold."""
    if "items" in note.params:
        for item in note.params["items"]:
            with st.container(horizontal=True, vertical_alignment="center", gap="small"):
                due = widgets.due_chip(widgets.due_of(item["due_at"])) if item["due_at"] else ""
                st.markdown(f"{due} {_subject(item)}", width="stretch")
                open_link(item.get("path"), key=f"inbox_open_{note.id}_{item['label']}")
        rest = note.params["count"] - len(note.params["items"])
        if rest > 0:
            st.caption(t("inbox.more", count=rest))
    elif note.kind == "daily":
        figures = [
            t(f"inbox.figure.{name}", count=note.params[name]) for name in _FIGURES if name in note.params
        ]
        st.markdown(" · ".join(figures))


def open_link(path: str | None, *, key: str) -> None:
    """A button that opens what a message is about; nothing when this person has no page for it."""
    page, query = target(path)
    if not page or not home_links.reachable(page):
        return
    if st.button(t("inbox.open"), key=key, icon=":material/open_in_new:", type="tertiary"):
        st.switch_page(navigation.PAGES_DIR / f"{page}.py", query_params=query)


def target(path: str | None) -> tuple[str, dict[str, str]]:
    """Page and query of a path such as `/orders?id=12`; an empty page for anything that is not ours."""
    parts = urlsplit(path or "")
    page = parts.path.strip("/")
    if parts.scheme or parts.netloc or page not in {spec.name for spec in navigation.specs()}:
        return "", {}
    return page, dict(parse_qsl(parts.query))


def _subject(params: dict[str, Any]) -> str:
    area = deadlines.area_words(f"{params['entity']}.{params['target']}", locale())
    return f"{fmt.md(area)} {fmt.md(params['label'])}"
