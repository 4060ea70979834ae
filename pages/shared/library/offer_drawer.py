"""The drawer of a gift or price rule: what it allows, deciding on it, changing it, what it replaced."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import streamlit as st

from backend.library import commands, reads
from backend.library.models import OCCASIONS, Offer, OfferDraft, OfferKind, OfferStep, Right
from pages.shared import frame
from pages.shared.format import md
from pages.shared.frame import User
from pages.shared.i18n import plain, t
from pages.shared.library import offer_list, state, wording

_FORM = "gifts"
_STEPS: tuple[OfferStep, ...] = ("approve", "refuse", "retire")
_ICONS = {"approve": ":material/check:", "refuse": ":material/close:", "retire": ":material/archive:"}


def draw(user: User) -> None:
    """Opens the drawer of the rule that the address names, or of a new one."""
    kind: OfferKind = "price" if offer_list.view() == "price" else "gift"
    title = t(f"library.new_offer.{kind}") if state.is_new() else t("library.offer")
    st.dialog(title, width="medium", position="right", on_dismiss=state.close)(_body)(user, kind)


def _body(user: User, kind: OfferKind) -> None:
    with frame.boundary():
        if state.is_new():
            _form(user, None, kind)
            return
        found = reads.offer_history(frame.client(), state.opened() or 0)
        if not found:
            st.warning(t("library.no_offer"), icon=":material/search_off:")
        elif state.editing():
            _form(user, found[0], found[0].kind)
        else:
            _shown(user, found)


def _shown(user: User, found: tuple[Offer, ...]) -> None:
    row = found[0]
    color = {"approved": "green", "pending": "orange"}.get(row.state, "gray")
    st.markdown(f":{color}-badge[{md(wording.name_of('offer_state', row.state))}]")
    st.markdown(f"**{md(row.name)}**")
    for line in offer_list.said(row):
        st.markdown(md(line))
    if row.note:
        st.markdown(f":gray[{md(row.note)}]")
    if row.decision_note:
        st.caption(t("library.decision_note", note=row.decision_note))
    _steps(user, row)
    wording.history(row.timeline, "offer_state")
    if len(found) > 1:
        with st.expander(t("library.replaced", count=len(found) - 1), icon=":material/difference:"):
            for one in found[1:]:
                decided = frame.clock(one.decided_at) if one.decided_at else ""
                st.caption(
                    md(f"{wording.name_of('offer_state', one.state)} · {one.author or ''} · {decided}")
                )
                for line in offer_list.said(one):
                    st.markdown(md(line))


def rights(user: User, row: Offer) -> dict[str, Right]:
    """What I may do with a rule, as far as the page knows; the database decides."""
    found: dict[str, Right] = {}
    own = row.author_id == user.id
    for step in ("approve", "refuse"):
        if row.state == "pending" and user.has("manager", "admin"):
            found[step] = Right(key="offer.own" if own else None)
    if row.state in ("pending", "approved") and user.has("operations", "manager", "admin"):
        found["retire"] = Right()
    return found


def _steps(user: User, row: Offer) -> None:
    mine = rights(user, row)
    key = f"gifts_{row.id}_{row.version}"
    note = ""
    if "refuse" in mine:
        note = st.text_input(t("library.note_for_refusal"), key=f"{key}_note", max_chars=300).strip()
    with st.container(horizontal=True, gap="small"):
        for step in _STEPS:
            if step not in mine:
                continue
            why = wording.why_not(mine[step])
            if st.button(
                t(f"library.offer_step.{step}"),
                key=f"{key}_{step}",
                icon=_ICONS[step],
                type="primary" if step == "approve" else "secondary",
                disabled=why is not None or (step == "refuse" and not note),
                help=why,
            ):
                _take(row, step, note)
        if row.state in ("pending", "approved") and user.has("operations", "manager"):
            st.button(
                t("library.edit"),
                key=f"{key}_edit",
                icon=":material/edit:",
                on_click=state.edit,
                args=(True,),
            )


def _take(row: Offer, step: OfferStep, note: str) -> None:
    with frame.boundary(), frame.editing(_FORM, row.id):
        asked = frame.request_id("gifts_step", row.id, row.version, step, note)
        commands.move_offer(frame.client(), row.id, row.version, step, request_id=asked, note=note)
        frame.flash_and_rerun(t(f"library.offer_did.{step}"))


def _form(user: User, row: Offer | None, kind: OfferKind) -> None:
    if not user.has("operations", "manager"):
        st.warning(t("common.no_access"), icon=":material/lock:")
        return
    version = frame.opened_version(_FORM, row.id, row.version) if row else 0
    key = f"gifts_form_{kind}_{row.id if row else 0}_{version}"
    name = st.text_input(t("library.rule_name"), row.name if row else "", key=f"{key}_name", max_chars=60)
    facts = _gift(row, key) if kind == "gift" else _price(row, key)
    facts |= _where(user, row, key)
    note = st.text_input(
        t("library.note"),
        row.note if row else "",
        key=f"{key}_text",
        max_chars=300,
        help=t("library.note_help"),
    )
    with st.container(horizontal=True, gap="small"):
        sent = st.button(
            t("library.save_offer"),
            type="primary",
            key=f"{key}_save",
            icon=":material/send:",
            disabled=not name.strip(),
        )
        if st.button(t("library.give_up"), key=f"{key}_cancel", type="tertiary"):
            _leave(row)
            st.rerun()
    st.caption(t("library.offer_effect" if row and row.state == "approved" else "library.offer_waits"))
    if sent:
        _save(row, version, OfferDraft(kind, name.strip(), note=note.strip(), **facts))


def _gift(row: Offer | None, key: str) -> dict[str, Any]:
    with st.container(horizontal=True, gap="small"):
        gift = st.text_input(
            t("library.gift_name"), row.gift_name if row else "", key=f"{key}_gift", max_chars=60, width=200
        )
        sku = st.text_input(
            t("library.gift_sku"), row.gift_sku if row else "", key=f"{key}_gift_sku", max_chars=64,
            width=150,
            help=t("library.gift_sku_help"),
        )  # fmt: skip
        count = st.number_input(
            t("library.quantity"), 1, 99, row.quantity if row else 1, key=f"{key}_count", width=100
        )
        cost = _money("cost", row and row.cost, key)
    with st.container(horizontal=True, gap="small"):
        amount = _money("min_amount", row and row.min_amount, key)
        product = st.text_input(
            t("library.with_sku"), row.sku if row else "", key=f"{key}_sku", max_chars=64, width=150
        )
        after = _money("after_order_price", row and row.after_order_price, key)
    return {
        "gift_name": gift.strip(), "gift_sku": sku.strip(), "quantity": int(count), "cost": cost,
        "min_amount": amount, "sku": product.strip(), "after_order_price": after,
    }  # fmt: skip


def _price(row: Offer | None, key: str) -> dict[str, Any]:
    with st.container(horizontal=True, gap="small"):
        sku = st.text_input(
            t("library.sku"), row.sku if row else "", key=f"{key}_sku", max_chars=64, width=160
        )
        occasion = st.selectbox(
            t("library.occasion"),
            OCCASIONS,
            index=OCCASIONS.index(row.occasion) if row else 0,
            format_func=lambda code: wording.name_of("occasion", code),
            key=f"{key}_occasion",
            width=170,
        )
    with st.container(horizontal=True, gap="small"):
        prices = {
            name: _money(name, row and getattr(row, name), key)
            for name in ("list_price", "agent_price", "manager_price")
        }
    return {"sku": sku.strip(), "occasion": occasion, **prices}


def _money(name: str, usual: Decimal | None, key: str) -> Decimal | None:
    """A field for an amount; empty: none."""
    given = st.number_input(
        t(f"library.{name}"),
        min_value=0.0,
        max_value=9_999_999.0,
        value=None if usual is None else float(usual),
        step=1.0,
        format="%.2f",
        key=f"{key}_{name}",
        width=150,
    )
    return None if given is None else Decimal(f"{given:.2f}")


def _where(user: User, row: Offer | None, key: str) -> dict[str, Any]:
    """Shop, who may promise it, from when to when."""
    names = {shop.id: shop.name for shop in user.shops}
    ids = list(names)
    with st.container(horizontal=True, gap="small"):
        shop_id = st.selectbox(
            t("library.filter.shop"),
            ids,
            index=ids.index(row.shop_id) if row and row.shop_id in ids else None,
            placeholder=plain("library.all_shops"),
            format_func=names.get,
            key=f"{key}_shop",
            width=170,
        )
        who = st.selectbox(
            t("library.who"),
            ("agent", "manager"),
            index=1 if row and row.promised_by == "manager" else 0,
            format_func=lambda code: wording.name_of("who", code),
            key=f"{key}_who",
            width=130,
        )
        since = st.date_input(
            t("library.valid_from"),
            wording.day_of(row.valid_from, user.zone, last=False) if row else None,
            key=f"{key}_from",
            width=140,
            help=t("library.valid_from_help"),
        )
        until = st.date_input(
            t("library.valid_until"),
            wording.day_of(row.valid_until, user.zone, last=True) if row else None,
            key=f"{key}_until",
            width=140,
        )
    return {
        "shop_id": shop_id,
        "promised_by": who,
        "valid_from": wording.start_of(since, user.zone),
        "valid_until": wording.end_of(until, user.zone),
    }


def _save(row: Offer | None, version: int, draft: OfferDraft) -> None:
    with frame.boundary(), frame.editing(_FORM, row.id if row else 0):
        asked = frame.request_id("gifts_save", row and row.id, version, draft)
        saved = commands.save_offer(
            frame.client(),
            draft,
            request_id=asked,
            offer_id=row.id if row else None,
            version=version if row else None,
        )
        _leave(row)
        state.open_record(saved)
        frame.flash_and_rerun(t("library.offer_saved"))


def _leave(row: Offer | None) -> None:
    if row:
        frame.close_form(_FORM, row.id)
        state.edit(False)
    else:
        state.close()
