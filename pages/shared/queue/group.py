"""A duplicate group on one screen: keep all, keep one and cancel the rest, or ship together."""

from __future__ import annotations

from typing import Any

import streamlit as st

from pages.shared import format as fmt
from pages.shared import frame
from pages.shared.format import md
from pages.shared.frame import User
from pages.shared.i18n import plain, t
from pages.shared.queue import gateway, state, words

DECISIONS = ("keep_all", "keep_one", "ship_together")


def draw(user: User, found: gateway.Row) -> None:
    """The orders of the group side by side, and the three decisions while it is undecided."""
    rows = [row for row in found["group"] if _twin(row)]
    if len(rows) < 2:
        return
    with st.container(border=True, gap="small", key="orders_group"):
        st.markdown(f"**{t('orders.group', count=len(rows))}**")
        keeper = st.radio(
            t("orders.group_keep"),
            [row["order_id"] for row in rows],
            format_func=lambda order_id: _words(user, order_id, rows),
            key=f"orders_group_keep_{rows[0]['group_key']}",
        )
        items = [
            {"id": twin["id"], "version": twin["version"]}
            for row in rows
            if (twin := _twin(row)) and twin["state"] in ("open", "waiting_customer")
        ]
        if items:
            _decide(rows[0], items, keeper)


def _twin(row: gateway.Row) -> gateway.Row | None:
    return next((one for one in row["exceptions"] if one["kind"] == "duplicate"), None)


def _words(user: User, order_id: int, rows: list[gateway.Row]) -> str:
    row = next(one for one in rows if one["order_id"] == order_id)
    twin: Any = _twin(row)
    parts = [
        row["order_no"],
        fmt.money(row["amount"]),
        frame.clock(row["placed_at"]),
        plain(f"orders.state.{twin['state']}"),
        words.owner(row, user.id),
    ]
    return md(" · ".join(parts))


def _decide(row: gateway.Row, items: list[gateway.Row], keeper: int) -> None:
    with st.container(horizontal=True, gap="xsmall"):
        for decision in DECISIONS:
            label = t(f"orders.group.{decision}", count=len(items), rest=len(items) - 1)
            if st.button(label, key=f"orders_group_{decision}", help=t(f"orders.group.{decision}_help")):
                _send(row, items, decision, keeper)


def _send(row: gateway.Row, items: list[gateway.Row], decision: str, keeper: int) -> None:
    with frame.boundary():
        keep = keeper if decision == "keep_one" else None
        mark = frame.request_id("orders_group", row["group_key"], items, decision, keep)
        answer = gateway.decide_group(
            frame.client(),
            row["shop_id"],
            row["group_key"],
            items,
            decision,
            keep_order_id=keep,
            request_id=mark,
        )
        told = plain(f"orders.group.{decision}_done", count=answer["done"])
        state.changed(answer["batch_id"], told)
        frame.flash_and_rerun(md(told))
