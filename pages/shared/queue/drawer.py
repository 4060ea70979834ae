"""The right-hand drawer of one order: deadline, owner, exceptions beside their decisions, contact, past."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial

import streamlit as st

from backend.history import Event
from backend.orders import commands, reads, wording
from backend.orders.models import Item, OrderDetail, OrderException, OrderFacts, QueueRow
from pages.shared import format as fmt
from pages.shared import frame, widgets
from pages.shared.deadlines import drawer
from pages.shared.format import md
from pages.shared.frame import User
from pages.shared.i18n import locale, plain, t
from pages.shared.library import order_gifts
from pages.shared.queue import claims, contact, decisions, group, state, words
from pages.shared.tickets import register

_KEPT = "orders_kept"
_KEEP_EVERY = 240  # seconds between two renewals of a claim that somebody works on
_EVENTS = 60


def draw(user: User) -> None:
    """Opens the drawer of the order that the address names."""
    order_id = state.opened()
    if order_id is not None:
        title = t("orders.drawer")
        st.dialog(title, width="medium", position="right", on_dismiss=state.close_order)(_body)(
            user, order_id
        )


def _body(user: User, order_id: int) -> None:
    with frame.boundary():
        found = reads.detail(frame.client(), order_id)
        if found is None:
            st.warning(t("orders.not_found"), icon=":material/search_off:")
            return
        _head(user, found)
        _owner(user, found)
        state.undo_bar("orders_drawer")
        _news(user, found)
        for place, item in enumerate(_undecided_first(found.exceptions)):
            decisions.card(user, found, item, first=place == 0)
        group.draw(user, found)
        contact.draw(user, found)
        _items(found.items)
        order_gifts.draw(user, order_id)
        _facts(user, found)
        _history(found.timeline)


def _undecided_first(exceptions: Sequence[OrderException]) -> list[OrderException]:
    return sorted(exceptions, key=lambda item: item.state not in words.OPEN)


def _head(user: User, found: OrderDetail) -> None:
    order, review = found.order, found.review
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(f"**{md(order.order_no)}**", width="content")
        widgets.copy_button(order.order_no, key=f"orders_copy_{order.id}")
        if user.has(*register.ROLES) and st.button(
            t("tickets.register_title"), key="orders_register", icon=":material/add_comment:", type="tertiary"
        ):
            register.start(order_id=order.id)
            st.rerun()
    due = widgets.due_chip(words.due(review)) if review and review.state != "done" else ""
    facts = (order.shop_name, plain(f"platform.{order.platform}"), order.platform_status)
    parts = [due, f"**{md(fmt.money(order.amount))}**", *(md(fact) for fact in facts)]
    st.markdown(" · ".join(part for part in parts if part))
    if review:
        drawer.button("order_review", order.id)


def _news(user: User, found: OrderDetail) -> None:
    order, review = found.order, found.review
    if found.breach:
        st.error(t("orders.breach"), icon=":material/report:")
    if order.held_at:
        why = wording.label(wording.REASONS, order.held_reason or "", locale())
        st.warning(t("orders.held", reason=why, at=frame.clock(order.held_at)), icon=":material/block:")
    elif order.released_at:
        st.caption(t("orders.released_at", at=frame.clock(order.released_at)))
    elif order.status == "to_ship" and not order.is_checked:
        st.caption(t("orders.unchecked"))
    elif review and review.state == "done" and order.status == "to_ship":
        st.success(t("orders.finished"), icon=":material/task_alt:")
    if (review is None or review.state == "done") and claims.may_review(user):
        claims.go_on()


def _owner(user: User, found: OrderDetail) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="orders_owner_bar"):
        _step(found.order.id, -1, "Alt+K")
        _step(found.order.id, 1, "Alt+J")
        if found.review and found.review.state != "done":
            _claim(user, found.review)


def _step(order_id: int, step: int, shortcut: str) -> None:
    other = state.neighbour(order_id, step)
    if st.button(
        t("orders.previous_order" if step < 0 else "orders.next_order"),
        key=f"orders_step_{'back' if step < 0 else 'on'}",
        disabled=other is None,
        shortcut=shortcut,
        type="tertiary",
    ):
        state.open_order(other or order_id)
        st.rerun()


def _claim(user: User, review: QueueRow) -> None:
    if review.owner_id is None:
        if st.button(t("orders.claim"), key="orders_claim", icon=":material/front_hand:"):
            _own("orders_claim", review, partial(commands.claim, frame.client(), review.order_id))
        return
    until = frame.clock(review.claim_until)
    if review.owner_id == user.id:
        _keep(review.order_id)
        st.caption(t("orders.mine_until", until=until), width="content")
        if st.button(t("orders.give_back"), key="orders_give_back", type="tertiary"):
            _give_back(review)
        return
    st.caption(t("orders.others_until", who=review.owner_name or "", until=until), width="content")
    if st.button(t("orders.take_over"), key="orders_take_over", icon=":material/swap_horiz:"):
        take = partial(commands.take_over, frame.client(), review.order_id, review.version)
        _own("orders_take_over", review, take)


def _own(name: str, review: QueueRow, call: Callable[..., object]) -> None:
    with frame.boundary():
        call(request_id=frame.request_id(name, review.order_id, review.version))
        state.forget_list()
        frame.flash_and_rerun(t(f"{name.replace('_', '.', 1)}_done"))


def _give_back(review: QueueRow) -> None:
    with frame.boundary():
        asked = frame.request_id("orders_give_back", review.order_id, review.version)
        commands.give_back(frame.client(), [review.order_id], request_id=asked)
        state.forget_list()
        state.close_order()
        frame.flash_and_rerun(t("orders.given_back", count=1), icon=":material/undo:")


def _keep(order_id: int) -> None:
    """Working on an order keeps it; said to the database every few minutes at most."""
    kept: dict[int, float] = st.session_state.setdefault(_KEPT, {})
    now = time.monotonic()
    if now - kept.setdefault(order_id, now) > _KEEP_EVERY:
        commands.keep_claims(frame.client(), [order_id])
        kept[order_id] = now


def _items(items: Sequence[Item]) -> None:
    with st.expander(t("orders.items", count=len(items)), icon=":material/inventory_2:"):
        for item in items:
            name = " ".join(part for part in (item.name, item.spec) if part)
            facts = [item.sku or "", f"× {item.quantity}"]
            if item.unit_price is not None:
                facts.append(fmt.money(item.unit_price))
            if item.is_known and item.available is not None:
                facts.append(plain("orders.available", count=item.available))
            st.markdown(f"{md(name)}  \n:gray[{md(' · '.join(fact for fact in facts if fact))}]")


def _facts(user: User, found: OrderDetail) -> None:
    order = found.order
    with st.expander(t("orders.facts"), icon=":material/description:"):
        for name, value in _shown(order).items():
            if value:
                st.markdown(f":gray[{t(f'orders.column.{name}')}] {md(value)}")
        for made in found.releases:
            at = frame.clock(made["created_at"])
            st.caption(t(f"orders.list.{made['kind']}", at=at, who=made["by"] or ""))


def _shown(order: OrderFacts) -> dict[str, str | None]:
    moments = ("placed_at", "paid_at", "promise_ship_at", "shipped_at")
    times = {name: getattr(order, name) for name in moments}
    shown: dict[str, str | None] = {
        name: frame.clock(at, order.timezone) for name, at in times.items() if at is not None
    }
    return shown | {"buyer": order.buyer_account, "ip": order.ip_masked, "tracking": order.tracking_no}


def _history(events: Sequence[Event]) -> None:
    with st.expander(t("orders.timeline", count=len(events)), icon=":material/history:"):
        for event in events[:_EVENTS]:
            kind = event.detail.get("kind")
            parts = (
                frame.clock(event.at),
                event.who or plain("orders.platform" if event.actor == "platform" else "orders.system"),
                words.event(event.action),
                words.kind_name(kind) if kind else "",
                words.reason(event.detail.get("reason")),
            )
            st.caption(md(" · ".join(part for part in parts if part)))
