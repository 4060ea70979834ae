"""Many at once: the bar above the list, the preview of a decision with its refusals, and the decision."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import streamlit as st

from backend.orders import commands
from backend.orders.models import REVIEWED, Decided, Decision, ItemRef, Preview, QueueFilter, QueueRow
from pages.shared import format as fmt
from pages.shared import frame, widgets
from pages.shared.frame import User
from pages.shared.i18n import plain, t
from pages.shared.queue import state, words
from pages.shared.queue.state import Bulk

DECISIONS: Sequence[Decision] = ("waived", "waiting_customer", "cancelled")
ICONS = {"waived": ":material/check:", "waiting_customer": ":material/chat:", "cancelled": ":material/block:"}


def bar(user: User, ticked: Sequence[QueueRow], asked: QueueFilter, count: int) -> None:
    """What can be done with the ticked rows, or with all that match when the list shows one kind.

    Always as high, so that the table does not move away under the mouse.
    """
    if asked.state == "done":
        return
    with (
        widgets.wide("orders_bulk"),
        st.container(horizontal=True, vertical_alignment="center", gap="small", key="orders_bulk_bar"),
    ):
        if not ticked and asked.kind and count > 1:
            st.markdown(t("orders.all_matching", count=words.capped(count)), width="content")
            for decision in DECISIONS:
                button("matching", Bulk(decision, matching=asked))
            return
        amount = fmt.money(sum(row.amount or 0 for row in ticked))
        told = t("orders.selected", count=len(ticked), amount=amount) if ticked else t("orders.tick_hint")
        st.markdown(told, width="content")
        items, kinds = _items(ticked, asked.kind)
        for decision in DECISIONS:
            button("ticked", Bulk(decision, items=items, kinds=kinds))
        _give_back([row.order_id for row in ticked if row.owner_id == user.id])


def button(name: str, what: Bulk) -> None:
    """A button that opens the preview of a decision."""
    if st.button(
        t(f"orders.{what.decision}_more"),
        key=f"orders_bulk_{name}_{what.decision}",
        icon=ICONS[what.decision],
        disabled=what.matching is None and not what.items,
    ):
        state.start_bulk(what)
        st.rerun()


def _items(ticked: Sequence[QueueRow], kind: str | None) -> tuple[tuple[ItemRef, ...], tuple[str, ...]]:
    """The undecided exceptions of the rows, of one kind alone when the list shows one kind."""
    found = [
        (ItemRef(id=item.id, version=item.version, order_id=row.order_id), item.kind)
        for row in ticked
        for item in row.exceptions
        if item.state in words.OPEN and item.is_blocking and kind in (None, item.kind)
    ]
    return tuple(item for item, _ in found), tuple(code for _, code in found)


def _give_back(mine: list[int]) -> None:
    if mine and st.button(t("orders.give_back_n", count=len(mine)), key="orders_bulk_give_back"):
        with frame.boundary():
            asked = frame.request_id("orders_give_back", mine)
            count = commands.give_back(frame.client(), mine, request_id=asked)
            state.changed(None, "")
            frame.flash_and_rerun(t("orders.given_back", count=count), icon=":material/undo:")


def dialog(what: Bulk) -> None:
    """The preview of a bulk decision."""
    title = plain(f"orders.bulk.{what.decision}")
    st.dialog(title, width="medium", on_dismiss=state.end_bulk, icon=ICONS[what.decision])(_body)(what)


def _body(what: Bulk) -> None:
    with frame.boundary():
        if what.matching is not None:
            found = commands.preview_matching(frame.client(), what.decision, what.matching)
            _show(found)
            _confirm(what, (), found)
            return
        items = _of_kinds(what)
        if not items:
            st.info(t("orders.bulk.nothing"), icon=":material/info:")
            return
        found = commands.preview(frame.client(), what.decision, items=items)
        _show(found)
        _confirm(what, items, found)


def _of_kinds(what: Bulk) -> tuple[ItemRef, ...]:
    """The items of the kinds that the person leaves switched on."""
    kinds = [code for code in REVIEWED if code in what.kinds]
    if len(kinds) < 2:
        return what.items
    chosen = st.pills(
        t("orders.bulk.kinds"),
        kinds,
        selection_mode="multi",
        default=kinds,
        format_func=words.kind_name,
        key="orders_bulk_kinds",
    )
    return tuple(item for item, code in zip(what.items, what.kinds, strict=True) if code in chosen)


def _show(found: Preview) -> None:
    amount = fmt.money(found.amount or 0)
    st.markdown(t("orders.bulk.ok", ok=found.ok, orders=found.orders or 0, amount=amount))
    for refused in found.refused:
        sentence = words.refusal(refused["key"], refused["params"])
        st.warning(t("orders.bulk.refused", count=refused["count"], why=sentence), icon=":material/lock:")


def _confirm(what: Bulk, items: tuple[ItemRef, ...], found: Preview) -> None:
    if not found.ok:
        return
    kinds = {what.matching.kind} if what.matching else set(what.kinds)
    offered = words.reasons(what.decision, kinds.pop() if len(kinds) == 1 else None)
    reasons = [code for code in offered if items or code != "other"]
    reason = st.pills(
        t("orders.why_reason"),
        reasons,
        format_func=words.reason,
        key=f"orders_bulk_reason_{what.decision}",
    )
    note = ""
    if reason == "other":
        note = st.text_input(t("orders.note"), key="orders_bulk_note", max_chars=200).strip()
    choice = words.until_pills("orders_bulk_until") if what.decision == "waived" else None
    until = words.until(choice, frame.require_user().zone)
    ready = reason is not None and (reason != "other" or note != "")
    label = t(f"orders.bulk.{what.decision}_n", count=found.ok)
    icon = ICONS[what.decision]
    if st.button(label, type="primary", key="orders_bulk_send", disabled=not ready, icon=icon) and reason:
        with frame.boundary():
            _told(_carry_out(what, items, found.count, reason, note, until), what.decision)


def _carry_out(
    what: Bulk, items: tuple[ItemRef, ...], count: int, reason: str, note: str, until: datetime | None
) -> Decided:
    asked = frame.request_id("orders_bulk", what.decision, reason, note, items, what.matching, count, until)
    client = frame.client()
    if what.matching is not None:
        return commands.decide_matching(
            client, what.matching, count, what.decision, request_id=asked, reason=reason, until=until
        )
    return commands.decide(
        client,
        items,
        what.decision,
        request_id=asked,
        reason=reason,
        note=note,
        keyring=frame.keyring() if note else None,
        until=until,
    )


def _told(answer: Decided, decision: str) -> None:
    """What was done, what was refused, and the way back."""
    told = plain(f"orders.did.{decision}", count=answer.done)
    state.changed(answer.batch_id, told)
    if answer.refused:
        first = answer.refused[0]
        sentence = words.refusal(first.key or "", first.params)
        frame.flash(t("orders.bulk.refused", count=len(answer.refused), why=sentence), icon=":material/lock:")
    frame.flash_and_rerun(t(f"orders.did.{decision}", count=answer.done))
