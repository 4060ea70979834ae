"""The log of what went out: a page of rows, filters in the address, and a drawer with tries and reminders."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pandas as pd
import streamlit as st

from backend import channels, errors
from backend.channels import STATES, Delivery, DeliveryDetail
from pages.shared import frame, messages, widgets
from pages.shared.format import md
from pages.shared.i18n import locale, plain, t

REFRESH_SECONDS = 20
_BADGES = {
    "waiting": ("gray", ":material/schedule:"),
    "sending": ("blue", ":material/sync:"),
    "failed": ("orange", ":material/sync_problem:"),
    "sent": ("green", ":material/check_circle:"),
    "suppressed": ("gray", ":material/notifications_off:"),
    "dead": ("red", ":material/error:"),
}


def opened() -> UUID | None:
    """The message whose drawer the address names (`?message=…`)."""
    try:
        return UUID(st.query_params.get("message", ""))
    except ValueError:
        return None


def body() -> None:
    """Filters and one page of messages, newest first."""
    with frame.boundary():
        channel_id, state = _filters()
        before = widgets.cursor("deliveries", channel_id, state)
        found = channels.log(
            frame.client(),
            before=before,
            channel_id=channel_id,
            state=state,
            limit=channels.PAGE_SIZE + 1,
        )
        shown = found[: channels.PAGE_SIZE]
        if not shown:
            widgets.empty_state(
                t("deliveries.none"), t("deliveries.none_hint"), icon=":material/outbox:", key="deliveries"
            )
            return
        with widgets.wide("deliveries"):
            _table(shown)
        with widgets.narrow("deliveries"):
            for one in shown:
                _card(one)
        widgets.pager(
            "deliveries",
            next_cursor=shown[-1].seq if len(found) > len(shown) else None,
            shown=len(shown),
        )


def _filters() -> tuple[int | None, Any]:
    known = {one.id: one.name for one in channels.channels(frame.client())}
    with widgets.filter_row("deliveries"):
        state = st.selectbox(
            t("deliveries.state"),
            STATES,
            index=None,
            format_func=lambda name: plain(f"deliveries.state.{name}"),
            placeholder=plain("common.all"),
            key="deliveries_state",
            bind="query-params",
            width=180,
        )
        channel_id = st.selectbox(
            t("deliveries.channel"),
            list(known),
            index=None,
            format_func=lambda number: known[number],
            placeholder=plain("common.all"),
            key="deliveries_channel",
            bind="query-params",
            width=220,
        )
    return channel_id, state


def _table(shown: tuple[Delivery, ...]) -> None:
    rows = [
        {
            "at": frame.clock(one.created_at),
            "state": plain(f"deliveries.state.{one.state}"),
            "what": _what(one),
            "channel": one.channel_name,
            "to": one.member_name or plain("deliveries.group"),
            "tries": one.attempts,
            "error": error_words(one) if one.last_error and one.state != "sent" else "",
        }
        for one in shown
    ]
    names = {name: plain(f"deliveries.column.{name}") for name in rows[0]}
    event = st.dataframe(
        pd.DataFrame(rows).rename(columns=names),
        hide_index=True,
        on_select="rerun",
        selection_mode="single-row",
        key=f"deliveries_table_{shown[0].seq}",
    )
    chosen = event.selection.rows
    if chosen:
        _open(shown[chosen[0]])


def _card(one: Delivery) -> None:
    with st.container(border=True, key=f"deliveries_card_{one.seq}", gap="xxsmall"):
        st.markdown(f"{badge(one.state)} **{md(_what(one))}**")
        who = one.member_name or plain("deliveries.group")
        st.caption(" · ".join(md(fact) for fact in (one.channel_name, who, frame.clock(one.created_at))))
        if st.button(
            t("deliveries.details"), key=f"deliveries_open_{one.seq}", icon=":material/chevron_right:"
        ):
            _open(one)


def _what(one: Delivery) -> str:
    if one.purpose == "reminders":
        return plain("deliveries.reminders", count=one.line_count)
    return plain(f"deliveries.purpose.{one.purpose}")


def badge(state: str) -> str:
    """Markdown of a state: colour, icon and words."""
    color, icon = _BADGES[state]
    return f":{color}-badge[{icon} {t(f'deliveries.state.{state}')}]"


def error_words(one: Delivery) -> str:
    """Why the last try failed, in plain words; a code that is newer than this page as it is."""
    key = (one.last_error or "").partition(" ")[0]
    if key in errors.catalogue():
        return channels.why_failed(one.last_error or "", locale())
    return one.last_error or ""


# The drawer -------------------------------------------------------------------------------------------------


def _open(one: Delivery) -> None:
    st.query_params["message"] = str(one.id)
    st.rerun()


def _close() -> None:
    st.query_params.pop("message", None)


def drawer() -> None:
    """Tries and reminders of the message that the address names."""
    chosen = opened()
    if chosen is None:
        return
    st.dialog(
        t("deliveries.one"), width="medium", position="right", icon=":material/outbox:", on_dismiss=_close
    )(_drawer_body)(chosen)


def _drawer_body(chosen: UUID) -> None:
    with frame.boundary():
        detail = channels.delivery(frame.client(), chosen)
        st.markdown(badge(detail.state))
        _tries(detail)
        _lines(detail)
        if detail.state == "dead" and st.button(
            t("deliveries.resend"), icon=":material/send:", type="primary", key="deliveries_resend"
        ):
            channels.resend(frame.client(), chosen, request_id=frame.request_id("deliveries_resend", chosen))
            _close()
            frame.flash_and_rerun(t("deliveries.resent"))


def _tries(detail: DeliveryDetail) -> None:
    st.markdown(f"**{t('deliveries.tries', count=len(detail.attempts))}**")
    for one in detail.attempts:
        outcome = t(f"deliveries.outcome.{one.outcome}") if one.outcome else t("deliveries.outcome.under_way")
        why = f" · {md(_why(one.error))}" if one.error else ""
        st.caption(f"{one.attempt}. {md(frame.clock(one.at))} · {outcome}{why}")


def _why(error: str) -> str:
    key = error.partition(" ")[0]
    return channels.why_failed(error, locale()) if key in errors.catalogue() else error


def _lines(detail: DeliveryDetail) -> None:
    if not detail.lines:
        return
    st.markdown(f"**{t('deliveries.lines', count=len(detail.lines))}**")
    for one in detail.lines:
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            due = widgets.due_chip(widgets.due_of(one.due_at.isoformat()))
            st.markdown(f"{md(one.label or '')} {due}", width="stretch")
            messages.open_link(one.path, key=f"deliveries_line_{one.reminder_id}")
