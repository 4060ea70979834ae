"""Many at once: the bar above the list, the preview of a decision with its refusals, and the decision."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from pages.shared import format as fmt
from pages.shared import frame
from pages.shared.format import md
from pages.shared.frame import User
from pages.shared.i18n import plain, t
from pages.shared.queue import gateway, state, words

DECISIONS = ("waived", "waiting_customer", "cancelled")
ICONS = {"waived": ":material/check:", "waiting_customer": ":material/chat:", "cancelled": ":material/block:"}
_REASONS = {
    "waiting_customer": words.WAIT_REASONS,
    "cancelled": words.CANCEL_REASONS,
    "waived": ("customer_confirmed", "verified", "known_buyer", "both_wanted", "stock_coming", "other"),
}


def bar(user: User, chosen: Sequence[gateway.Row], wanted: Mapping[str, Any], count: int) -> None:
    """What can be done with the selected rows, or with all that match."""
    if wanted.get("state") == "done":
        return
    whole = "kind" in wanted and count > 1
    if not chosen and not whole:
        return
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="orders_bulk_bar"):
        if chosen:
            amount = sum(float(row["amount"] or 0) for row in chosen)
            st.markdown(t("orders.selected", count=len(chosen), amount=plain_money(amount)), width="content")
            _buttons("selected", {"items": _items(chosen, wanted)})
            _give_back(user, chosen)
        else:
            st.caption(t("orders.all_matching", count=words.capped(count)), width="content")
            _buttons("matching", {"filter": dict(wanted)})


def plain_money(amount: float) -> str:
    """¥1,234.00."""
    return fmt.money(amount)


def _buttons(name: str, what: Mapping[str, Any]) -> None:
    for decision in DECISIONS:
        if st.button(
            t(f"orders.{decision}_more"), key=f"orders_bulk_{name}_{decision}", icon=ICONS[decision]
        ):
            state.start_bulk(decision=decision, **what)
            st.rerun()


def _items(chosen: Sequence[gateway.Row], wanted: Mapping[str, Any]) -> list[gateway.Row]:
    """The undecided exceptions of the rows; of the kind alone that the list is filtered by."""
    return [
        {"id": item["id"], "version": item["version"], "kind": item["kind"]}
        for row in chosen
        for item in row["exceptions"]
        if item["state"] in ("open", "waiting_customer")
        and item["is_blocking"]
        and wanted.get("kind") in (None, item["kind"])
    ]


def _give_back(user: User, chosen: Sequence[gateway.Row]) -> None:
    mine = [row["order_id"] for row in chosen if row["owner_id"] == user.id]
    if mine and st.button(t("orders.give_back_n", count=len(mine)), key="orders_bulk_give_back"):
        with frame.boundary():
            mark = frame.request_id("orders_give_back", mine)
            count = gateway.give_back(frame.client(), mine, request_id=mark)
            state.changed(None, "")
            frame.flash_and_rerun(t("orders.given_back", count=count), icon=":material/undo:")


def dialog() -> None:
    """The preview of the bulk decision that was asked for."""
    what = state.bulk()
    if what is None:
        return
    title = plain(f"orders.bulk.{what['decision']}")
    st.dialog(title, width="medium", on_dismiss=state.end_bulk, icon=ICONS[what["decision"]])(_body)(what)


def _body(what: Mapping[str, Any]) -> None:
    with frame.boundary():
        items = _of_kinds(what)
        if items == []:
            st.info(t("orders.bulk.nothing"), icon=":material/info:")
            return
        bare = None if items is None else [{"id": i["id"], "version": i["version"]} for i in items]
        found = gateway.preview(frame.client(), bare, what.get("filter"), what["decision"])
        _show(found)
        if found["ok"]:
            _confirm(what, bare, found)


def _of_kinds(what: Mapping[str, Any]) -> list[gateway.Row] | None:
    """The items of the kinds that the person leaves switched on; None when a filter says which."""
    items = what.get("items")
    if items is None:
        return None
    kinds = [code for code in words.KINDS if any(item["kind"] == code for item in items)]
    if len(kinds) < 2:
        return list(items)
    chosen = st.pills(
        t("orders.bulk.kinds"),
        kinds,
        selection_mode="multi",
        default=kinds,
        format_func=words.kind,
        key="orders_bulk_kinds",
    )
    return [item for item in items if item["kind"] in chosen]


def _show(found: gateway.Row) -> None:
    st.markdown(
        t("orders.bulk.ok", ok=found["ok"], orders=found["orders"], amount=fmt.money(found["amount"] or 0))
    )
    for refused in found["refused"]:
        sentence = words.refusal(refused["key"], refused["params"])
        st.warning(t("orders.bulk.refused", count=refused["count"], why=sentence), icon=":material/lock:")


def _confirm(what: Mapping[str, Any], items: list[gateway.Row] | None, found: gateway.Row) -> None:
    decision = what["decision"]
    reasons = [code for code in _REASONS[decision] if items is not None or code != "other"]
    reason = st.pills(
        t("orders.why_reason"), reasons, format_func=words.reason, key=f"orders_bulk_reason_{decision}"
    )
    note = ""
    if reason == "other":
        note = st.text_input(t("orders.note"), key="orders_bulk_note", max_chars=200).strip()
    ready = reason is not None and (reason != "other" or note != "")
    label = t(f"orders.bulk.{decision}_n", count=found["ok"])
    if st.button(label, type="primary", key="orders_bulk_send", disabled=not ready, icon=ICONS[decision]):
        _carry_out(what, items, found["count"], str(reason), note)


def _carry_out(
    what: Mapping[str, Any], items: list[gateway.Row] | None, count: int, reason: str, note: str
) -> None:
    decision = what["decision"]
    mark = frame.request_id("orders_bulk", decision, reason, note, items, what.get("filter"), count)
    with frame.boundary():
        if items is None:
            answer = gateway.decide_matching(
                frame.client(), what["filter"], count, decision, reason, request_id=mark
            )
        else:
            noted = [item | ({"note": state.sealed_note(item["id"], note)} if note else {}) for item in items]
            answer = gateway.decide(frame.client(), noted, decision, reason, request_id=mark)
        told(answer, decision)


def told(answer: gateway.Row, decision: str) -> None:
    """After a decision on many: what was done, what was refused, and the way back."""
    refused = [item for item in answer["items"] if not item["ok"]]
    state.changed(answer["batch_id"], plain(f"orders.did.{decision}", count=answer["done"]))
    if refused:
        sentence = words.refusal(refused[0]["key"], refused[0].get("params"))
        frame.flash(t("orders.bulk.refused", count=len(refused), why=sentence), icon=":material/lock:")
    frame.flash_and_rerun(md(plain(f"orders.did.{decision}", count=answer["done"])))
