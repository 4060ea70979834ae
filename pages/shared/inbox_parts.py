"""The parts of the inbox: the messages page by page, putting one off, and what a member wants to hear of."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import streamlit as st

from backend import reminders
from backend.reminders import PRESETS, Notification
from pages.shared import bell, frame, messages, widgets
from pages.shared.frame import User
from pages.shared.i18n import plain, t

REFRESH_SECONDS = 30
_LATER = ("quarter", "hour", "tomorrow")
_IDS = ("wecom_id", "dingtalk_id", "feishu_id")


def listing() -> None:
    """Unread messages or all, newest first; refreshes itself."""
    with frame.boundary():
        unread = _filters()
        before = widgets.cursor("inbox", unread)
        found = reminders.inbox(
            frame.client(),
            before=before,
            unread=unread,
            limit=reminders.PAGE_SIZE + 1,
        )
        shown = found[: reminders.PAGE_SIZE]
        if not shown:
            key = "inbox.none_unread" if unread else "inbox.none"
            widgets.empty_state(
                t(key), t("inbox.none_hint"), icon=":material/notifications_off:", key="inbox"
            )
        for note in shown:
            _card(note)
        more = shown[-1].id if len(found) > len(shown) else None
        widgets.pager("inbox", next_cursor=more, shown=len(shown))


def _filters() -> bool:
    with widgets.filter_row("inbox"):
        choice = st.segmented_control(
            t("inbox.show"),
            ("unread", "all"),
            format_func=lambda name: t(f"inbox.show.{name}"),
            default="unread",
            required=True,
            key="inbox_show",
            bind="query-params",
            label_visibility="collapsed",
        )
        if st.button(t("inbox.read_all"), icon=":material/done_all:", key="inbox_read_all"):
            reminders.read(frame.client())
            bell.forget()
            frame.flash_and_rerun(t("inbox.all_read"))
    return bool(choice == "unread")


def _card(note: Notification) -> None:
    with st.container(border=True, key=f"inbox_card_{note.id}", gap="xxsmall"):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            weight = "**" if note.read_at is None else ""
            st.markdown(f"{weight}{messages.line(note)}{weight} {messages.state(note)}", width="stretch")
            _actions(note)
        st.caption(messages.facts(note))
        messages.details(note)


def _actions(note: Notification) -> None:
    if note.kind not in ("digest", "daily"):
        messages.open_link(note.path, key=f"inbox_open_{note.id}")
    if note.closed_at is None and note.kind != "daily":
        with st.popover(
            t("inbox.later"), icon=":material/snooze:", key=f"inbox_later_{note.id}", type="tertiary"
        ):
            for name in _LATER:
                if st.button(t(f"inbox.later.{name}"), key=f"inbox_later_{note.id}_{name}", width="stretch"):
                    _put_off(note, name)
    if note.read_at is None and st.button(
        t("inbox.read"), key=f"inbox_read_{note.id}", icon=":material/check:", type="tertiary"
    ):
        reminders.read(frame.client(), [note.id])
        bell.forget()
        st.rerun()


def _put_off(note: Notification, name: str) -> None:
    until = later(name, datetime.now(UTC), frame.require_user().zone)
    reminders.snooze(frame.client(), note.id, until)
    bell.forget()
    frame.flash_and_rerun(t("inbox.put_off", when=frame.clock(until)), icon=":material/snooze:")


def later(name: str, now: datetime, zone: str) -> datetime:
    """When a message comes back: in a quarter, in an hour, or at nine tomorrow (in the person's zone)."""
    if name == "quarter":
        return now + timedelta(minutes=15)
    if name == "hour":
        return now + timedelta(hours=1)
    place = ZoneInfo(zone)
    return datetime.combine(now.astimezone(place).date() + timedelta(days=1), time(9), place)


# What I want to hear of -------------------------------------------------------------------------------------


def wishes(user: User) -> None:
    """Preset and platform ids of the signed-in member."""
    kept = reminders.settings(frame.client(), user.id)
    key = f"inbox_wishes_{kept.version or 0}"
    with st.form(key, width=560):
        preset = st.radio(
            t("inbox.preset"),
            PRESETS,
            index=PRESETS.index(kept.preset),
            format_func=lambda name: t(f"inbox.preset.{name}"),
            captions=[t(f"inbox.preset.{name}.help") for name in PRESETS],
            key=f"{key}_preset",
        )
        st.caption(t("inbox.ids_help"))
        ids = {
            name: st.text_input(
                t(f"inbox.{name}"),
                getattr(kept, name) or "",
                key=f"{key}_{name}",
                max_chars=64,
                placeholder=plain("inbox.id_placeholder"),
            )
            for name in _IDS
        }
        sent = st.form_submit_button(t("common.save"), type="primary", key=f"{key}_save")
    if sent:
        changes = {"preset": preset, **ids}
        reminders.save_settings(
            frame.client(),
            kept,
            changes,
            request_id=frame.request_id("inbox_wishes", kept.version, changes),
        )
        frame.flash_and_rerun(t("inbox.wishes_saved"))
