"""价保 in the money box: the product, the calculation in one line, and what has to be typed with a proof."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import streamlit as st

from backend import errors
from backend.tickets import price
from backend.tickets.models import TicketScreen
from backend.tickets.price import Calculation
from pages.shared import format as fmt
from pages.shared import frame
from pages.shared.format import md
from pages.shared.frame import User
from pages.shared.i18n import locale, plain, t

_SIGNED = ("price.not_signed", "price.proof_missing", "price.signed_range")
_MENDABLE = (*_SIGNED, "price.unknown_now", "price.no_sku", "price.other_product", "price.no_order")
"""Refusals that something typed, attached or linked can end; the others are the answer."""


def draw(user: User, found: TicketScreen, evidence: Sequence[int]) -> dict[str, Any] | None:
    """The calculator of a ticket; answers with what request_money needs (the product, typed facts), None
    while nothing is payable, {refused: true} when nothing ever will be.
    """
    ticket = found.ticket
    sku = st.text_input(t("price.sku"), ticket.sku or "", key=f"ticket_price_sku_{ticket.id}").strip()
    known = price.calculate(frame.client(), ticket_id=ticket.id, sku=sku)
    signed = _signed(user, found) if known.refusal in _SIGNED else None
    if signed is not None:
        known = price.calculate(
            frame.client(), ticket_id=ticket.id, sku=sku, signed_at=signed, evidence=evidence
        )
    now = None
    if known.refusal == "price.unknown_now":
        typed = st.number_input(
            t("price.now"), min_value=0.0, value=None, step=1.0, key=f"ticket_price_now_{ticket.id}"
        )
        now = Decimal(f"{typed:.2f}") if typed else None
        if now is not None and evidence:
            known = price.calculate(
                frame.client(),
                ticket_id=ticket.id,
                sku=sku,
                signed_at=signed,
                price=now,
                evidence=evidence,
            )
    _line(known)
    if known.refusal and known.refusal not in _MENDABLE:
        return {"refused": True}
    return None if known.refusal else price.given(sku=sku, signed_at=signed, price=now)


def _signed(user: User, found: TicketScreen) -> datetime | None:
    """When the customer signed, where the shipments do not say."""
    shop = user.shop(found.ticket.shop_id)
    zone = ZoneInfo(shop.timezone if shop else user.zone)
    today = datetime.now(zone)
    with st.container(horizontal=True, gap="small"):
        day = st.date_input(
            t("price.signed_day"),
            None,
            min_value=(today - timedelta(days=100)).date(),
            max_value=today.date(),
            key=f"ticket_price_day_{found.ticket.id}",
        )
        at = st.time_input(t("price.signed_time"), None, key=f"ticket_price_time_{found.ticket.id}")
    st.caption(t("price.proof"))
    return datetime.combine(day, at, zone) if day and at else None


def _line(known: Calculation) -> None:
    """「实付 ¥200 − 现价 ¥150 = ¥50 × 1 件」, and why nothing is payable where that is so."""
    if known.difference is not None:
        figures = plain(
            "price.line",
            old=fmt.money(known.old),
            new=fmt.money(known.new),
            source=plain(f"price.source.{known.new_source}"),
            count=known.quantity,
            difference=fmt.money(known.difference),
            before=fmt.money(known.paid_before),
            payable=fmt.money(known.payable),
        )
        st.markdown(md(figures))
    if known.days is not None:
        st.caption(t("price.day", day=known.days, days=known.allowed_days, until=frame.clock(known.until)))
    if known.refusal:
        facts = known.model_dump(mode="json")
        st.warning(md(errors.message(known.refusal, locale(), **facts)), icon=":material/money_off:")
