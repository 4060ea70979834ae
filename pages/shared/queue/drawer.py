"""The right-hand drawer of one order: deadline, owner, exceptions beside their decisions, contact, past."""

from __future__ import annotations

import time
from collections.abc import Mapping
from functools import partial
from typing import Any

import streamlit as st

from pages.shared import format as fmt
from pages.shared import frame, widgets
from pages.shared.format import md
from pages.shared.frame import User
from pages.shared.i18n import known, plain, t
from pages.shared.queue import contact, decisions, gateway, group, state, words

_KEPT = "orders_kept"
_KEEP_EVERY = 240  # seconds between two renewals of a claim that somebody works on


def draw(user: User) -> None:
    """Opens the drawer of the order that the address names."""
    order_id = state.opened()
    if order_id is None:
        return
    title = plain("orders.drawer")
    st.dialog(title, width="large", position="right", on_dismiss=state.close_order)(_body)(user, order_id)


def _body(user: User, order_id: int) -> None:
    with frame.boundary():
        found = gateway.detail(frame.client(), order_id)
        if found is None:
            st.warning(t("orders.not_found"), icon=":material/search_off:")
            return
        _head(user, found)
        _owner(user, found)
        state.undo_bar("orders_drawer")
        _finished(found)
        for place, item in enumerate(_first_things_first(found["exceptions"])):
            decisions.card(user, found, item, first=place == 0)
        group.draw(user, found)
        contact.draw(user, found)
        _items(found)
        _facts(user, found)
        _timeline(found)


def _first_things_first(exceptions: list[gateway.Row]) -> list[gateway.Row]:
    return sorted(exceptions, key=lambda item: item["state"] not in ("open", "waiting_customer"))


def _head(user: User, found: gateway.Row) -> None:
    order, review = found["order"], found["review"]
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(f"### {md(order['order_no'])}", width="content")
        widgets.copy_button(order["order_no"], key=f"orders_copy_{order['id']}")
    parts = [
        f"**{md(fmt.money(order['amount']))}**",
        md(order["shop_name"]),
        md(order["platform_status"] or ""),
    ]
    if review and review["state"] != "done":
        parts.insert(0, widgets.due_chip(words.due(review)))
    st.markdown(" · ".join(part for part in parts if part))
    _flags(order)


def _flags(order: Mapping[str, Any]) -> None:
    if order["held_at"]:
        reason = order["held_reason"] or ""
        held = plain(f"orders.held.{reason}") if known(f"orders.held.{reason}") else reason
        st.caption(t("orders.held", reason=held, at=frame.clock(order["held_at"])))
    if order["released_at"]:
        st.caption(t("orders.released_at", at=frame.clock(order["released_at"])))
    elif order["status"] == "to_ship" and not order["is_checked"]:
        st.caption(t("orders.unchecked"))


def _owner(user: User, found: gateway.Row) -> None:
    order_id = found["order"]["id"]
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="orders_owner_bar"):
        _step(order_id, -1, "Alt+K")
        _step(order_id, 1, "Alt+J")
        if found["review"] and found["review"]["state"] != "done":
            _claim(user, found["review"])


def _step(order_id: int, step: int, shortcut: str) -> None:
    other = state.neighbour(order_id, step)
    st.button(
        t("orders.previous_order" if step < 0 else "orders.next_order"),
        key=f"orders_step_{step}",
        disabled=other is None,
        shortcut=shortcut,
        type="tertiary",
        on_click=partial(state.open_order, other) if other is not None else None,
    )


def _claim(user: User, review: Mapping[str, Any]) -> None:
    order_id = review["order_id"]
    if review["owner_id"] is None:
        if st.button(t("orders.claim"), key="orders_claim", icon=":material/front_hand:"):
            _own("orders_claim", review, gateway.claim, "orders.claimed")
        return
    until = frame.clock(review["claim_until"])
    if review["owner_id"] == user.id:
        _keep(order_id)
        st.caption(t("orders.mine_until", until=until), width="content")
        if st.button(t("orders.give_back"), key="orders_give_back", type="tertiary"):
            _give_back(order_id, review["version"])
        return
    st.caption(t("orders.others_until", who=review["owner_name"] or "", until=until), width="content")
    if st.button(t("orders.take_over"), key="orders_take_over", icon=":material/swap_horiz:"):
        take = partial(_take_over, version=review["version"])
        _own("orders_take_over", review, take, "orders.taken_over")


def _own(name: str, review: Mapping[str, Any], call: Any, words_key: str) -> None:
    with frame.boundary():
        mark = frame.request_id(name, review["order_id"], review["version"])
        call(frame.client(), review["order_id"], request_id=mark)
        state.forget_list()
        frame.flash_and_rerun(t(words_key))


def _take_over(client: Any, order_id: int, *, version: int, request_id: str) -> None:
    gateway.take_over(client, order_id, version, request_id=request_id)


def _give_back(order_id: int, version: int) -> None:
    with frame.boundary():
        mark = frame.request_id("orders_give_back", order_id, version)
        gateway.give_back(frame.client(), [order_id], request_id=mark)
        state.forget_list()
        state.close_order()
        frame.flash_and_rerun(t("orders.given_back", count=1), icon=":material/undo:")


def _keep(order_id: int) -> None:
    """Working on an order keeps it; said to the database every few minutes at most."""
    kept: dict[int, float] = st.session_state.setdefault(_KEPT, {})
    now = time.monotonic()
    if now - kept.setdefault(order_id, now) > _KEEP_EVERY:
        gateway.keep(frame.client(), [order_id])
        kept[order_id] = now


def _finished(found: gateway.Row) -> None:
    review, order = found["review"], found["order"]
    if review and review["state"] == "done" and not order["held_at"] and not order["released_at"]:
        st.success(t("orders.finished"), icon=":material/task_alt:")
    if found["breach"]:
        st.error(t("orders.breach"), icon=":material/report:")


def _items(found: gateway.Row) -> None:
    with st.expander(t("orders.items", count=len(found["items"])), icon=":material/inventory_2:"):
        for item in found["items"]:
            name = " ".join(part for part in (item["name"], item["spec"]) if part)
            facts = [f"× {item['quantity']}"]
            if item["unit_price"] is not None:
                facts.append(fmt.money(item["unit_price"]))
            if item["is_known"] and item["available"] is not None:
                facts.append(plain("orders.available", count=item["available"]))
            st.markdown(f"{md(name)} · :gray[{md(item['sku'] or '')}]  \n:gray[{md(' · '.join(facts))}]")


def _facts(user: User, found: gateway.Row) -> None:
    order = found["order"]
    zone = order["timezone"] or user.zone
    with st.expander(t("orders.facts"), icon=":material/description:"):
        for name in ("placed_at", "paid_at", "promise_ship_at", "shipped_at"):
            if order[name]:
                st.caption(f"{t(f'orders.column.{name}')} · {md(frame.clock(order[name], zone))}")
        shown = {"buyer": order["buyer_account"], "ip": order["ip_masked"], "tracking": order["tracking_no"]}
        for name, value in shown.items():
            if value:
                st.caption(f"{t(f'orders.column.{name}')} · {md(value)}")
        for release in found["releases"]:
            at = frame.clock(release["created_at"])
            st.caption(t(f"orders.list.{release['kind']}", at=at, who=release["by"] or ""))


def _timeline(found: gateway.Row) -> None:
    with st.expander(t("orders.timeline", count=len(found["timeline"])), icon=":material/history:"):
        for told in found["timeline"][:60]:
            st.caption(f"{md(frame.clock(told['at']))} · {md(_told(told))}")


def _told(told: Mapping[str, Any]) -> str:
    key = f"orders.event.{told['action']}"
    what = plain(key) if known(key) else str(told["action"])
    detail = told["detail"] or {}
    parts = [str(told["who"] or plain("orders.system")), what]
    if detail.get("kind"):
        parts.append(words.kind(detail["kind"]))
    if detail.get("reason"):
        parts.append(words.reason(detail["reason"]))
    return " · ".join(parts)
