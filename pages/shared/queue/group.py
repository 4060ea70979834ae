"""A duplicate group on one screen: keep all, keep one and cancel the rest, or ship together."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from backend.orders import commands
from backend.orders.models import GroupDecision, ItemRef, OrderDetail, OrderException, QueueRow
from pages.shared import format as fmt
from pages.shared import frame
from pages.shared.format import md
from pages.shared.frame import User
from pages.shared.i18n import plain, t
from pages.shared.queue import state, words

DECISIONS: Sequence[GroupDecision] = ("keep_all", "keep_one", "ship_together")


def draw(user: User, found: OrderDetail) -> None:
    """The orders of the group side by side, and the three decisions while it is undecided."""
    rows = [(row, twin) for row in found.group if (twin := _twin(row))]
    if len(rows) < 2:
        return
    with st.container(border=True, gap="small", key="orders_group"):
        st.markdown(f"**{t('orders.group', count=len(rows))}**")
        labels = {row.order_id: _words(user, row, twin) for row, twin in rows}
        undecided = [
            ItemRef(id=twin.id, version=twin.version, order_id=row.order_id)
            for row, twin in rows
            if twin.state in words.OPEN
        ]
        if len(undecided) < 2:
            for label in labels.values():
                st.caption(label)
            return
        keeper = st.radio(
            t("orders.group_keep"),
            [item.order_id for item in undecided],
            format_func=lambda order_id: labels[order_id],
            key=f"orders_group_keep_{rows[0][0].group_key}",
        )
        _decide(rows[0][0], undecided, keeper)


def _twin(row: QueueRow) -> OrderException | None:
    return next((item for item in row.exceptions if item.kind == "duplicate"), None)


def _words(user: User, row: QueueRow, twin: OrderException) -> str:
    decided = words.state(twin.state) if twin.state != "open" else ""
    parts = (
        row.order_no,
        fmt.money(row.amount),
        frame.clock(row.placed_at),
        decided,
        words.owner(row, user.id),
    )
    return md(" · ".join(part for part in parts if part))


def _decide(row: QueueRow, items: Sequence[ItemRef], keeper: int) -> None:
    with st.container(horizontal=True, gap="xsmall"):
        for decision in DECISIONS:
            label = t(f"orders.group.{decision}", count=len(items), rest=len(items) - 1)
            if st.button(label, key=f"orders_group_{decision}", help=t(f"orders.group.{decision}_help")):
                _send(row, items, decision, keeper)


def _send(row: QueueRow, items: Sequence[ItemRef], decision: GroupDecision, keeper: int) -> None:
    with frame.boundary():
        kept = keeper if decision == "keep_one" else None
        answer = commands.decide_group(
            frame.client(),
            row.shop_id,
            row.group_key or "",
            items,
            decision,
            request_id=frame.request_id("orders_group", row.group_key, items, decision, kept),
            keep_order_id=kept,
        )
        told = plain(f"orders.group.{decision}_done", count=answer.done)
        state.changed(answer.batch_id, told)
        frame.flash_and_rerun(t(f"orders.group.{decision}_done", count=answer.done))
