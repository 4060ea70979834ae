"""What is at hand while talking: scripts that fit the case, gifts and prices that may be promised now."""

from __future__ import annotations

from decimal import Decimal

import streamlit as st

from backend.library import reads
from backend.library.models import Offer
from pages.shared import frame
from pages.shared.format import md
from pages.shared.frame import User
from pages.shared.i18n import plain, t
from pages.shared.library import cards, offer_list, values, wording

_OFFERED = 5


def beside(user: User, *, shop_id: int, area: str, stage: str | None, case: cards.Case) -> None:
    """A button on the page of a case; what it opens is read when somebody opens it."""
    with st.popover(
        t("library.at_hand"),
        icon=":material/forum:",
        key=f"talk_{case[0]}",
        on_change="rerun",
        width="stretch",
    ) as box:
        if not box.open:
            return
        with frame.boundary():
            offers(shop_id)
            scripts(user, shop_id=shop_id, area=area, stage=stage, case=case)


def scripts(user: User, *, shop_id: int, area: str, stage: str | None, case: cards.Case) -> None:
    """The best fitting scripts with copy buttons; a copy is noted for the case."""
    q = st.text_input(
        t("library.search"),
        key=f"talk_{case[0]}_q",
        placeholder=plain("library.search_example"),
        label_visibility="collapsed",
        max_chars=60,
    ).strip()
    found = reads.scripts_for(
        frame.client(), shop_id, area=area, stage=None if q else stage, q=q, limit=_OFFERED
    )
    if not found:
        st.caption(t("library.no_fitting_script"))
    for row in found:
        given = values.base(user, shop_id)
        cards.card(row, user, shop_id=shop_id, given=given, case=case, key="talk", opens=False)
    st.page_link("scripts.py", label=t("library.all_scripts"), icon=":material/forum:")


def offers(shop_id: int) -> None:
    """Gifts and prices that may be promised now, for a product and an amount if they are known."""
    with st.container(horizontal=True, gap="small"):
        sku = st.text_input(t("library.sku"), key="talk_sku", max_chars=64, width=150).strip()
        amount = st.number_input(
            t("library.order_amount"), min_value=0.0, value=None, step=10.0, key="talk_amount", width=150
        )
    known = None if amount is None else Decimal(f"{amount:.2f}")
    found = reads.offers_for(frame.client(), shop_id, [sku] if sku else [], known)
    if not (found.gifts or found.prices):
        st.caption(t("library.no_offers_now"))
    for gift in found.gifts:
        st.markdown(_gift(gift))
    for price in found.prices:
        st.markdown(_price(price))


def _gift(one: Offer) -> str:
    line = f":material/redeem: {md(offer_list.said(one)[0])}"
    if not one.may_promise:
        line += f" :orange-badge[{t('library.managers_gift')}]"
    if one.missing is not None:
        line += f" :gray-badge[{t('library.missing_amount', amount=wording.amount(one.missing))}]"
    note = one.note or (
        plain("library.after_order", amount=wording.amount(one.after_order_price))
        if one.after_order_price
        else ""
    )
    return f"{line}  \n:gray[{md(note)}]" if note else line


def _price(one: Offer) -> str:
    mine = wording.amount(one.my_price) if one.my_price is not None else plain("library.ask_manager")
    name = f"{one.product or ''} {one.sku}".strip()
    if one.occasion != "any":
        name = plain("common.of_what", name=name, what=wording.name_of("occasion", one.occasion))
    return f":material/sell: {md(name)} **{t('library.lowest', amount=mine)}**"
