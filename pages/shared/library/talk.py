"""What is at hand while talking, for the pages of leads, tickets and orders: scripts, solutions, gifts and
prices.

talk.scripts(user, shop_id=…, area="presales", stage="objection", case=("lead", 7), values={"订单号": …},
skus=[…])
talk.offers(user, shop_id=…, skus=["SKU001"], amount=Decimal("199"))
talk.solutions(user, ticket_id=…, root_cause_id=…, case_type="reship", product_ids=[…])
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

import streamlit as st

from backend.library import commands, reads
from backend.library.models import Offer, Solution
from pages.shared import frame
from pages.shared.format import md
from pages.shared.frame import User
from pages.shared.i18n import plain, t
from pages.shared.library import cards, offer_list, solution_list, state, values, wording
from pages.shared.words import wording as words


def scripts(
    user: User,
    *,
    shop_id: int,
    area: str,
    stage: str | None = None,
    case: cards.Case | None = None,
    values_of_case: Mapping[str, str] | None = None,
    skus: Sequence[str] = (),
    root_cause_id: int | None = None,
    objection: str | None = None,
    limit: int = 5,
    key: str = "talk",
) -> None:
    """The best fitting scripts with copy buttons; a copy is noted for the case."""
    q = st.text_input(
        t("library.search"),
        key=f"{key}_q",
        placeholder=plain("library.search_example"),
        label_visibility="collapsed",
    )
    found = reads.scripts_for(
        frame.client(),
        shop_id,
        area=area,
        stage=None if q else stage,
        root_cause_id=root_cause_id,
        skus=skus,
        objection=objection,
        q=q.strip() or None,
        limit=limit,
    )
    if not found:
        st.caption(t("library.no_fitting_script"))
    given = {**values.base(user, shop_id), **{k: v for k, v in (values_of_case or {}).items() if v}}
    for row in found:
        cards.card(row, user, shop_id=shop_id, given=given, case=case, key=key, opens=False)
    st.page_link("scripts.py", label=t("library.all_scripts"), icon=":material/forum:")


def offers(user: User, *, shop_id: int, skus: Sequence[str] = (), amount: Decimal | None = None) -> None:
    """Gifts and prices that may be promised now."""
    found = reads.offers_for(frame.client(), shop_id, skus, amount)
    if not (found.gifts or found.prices):
        st.caption(t("library.no_offers_now"))
    for one in found.gifts:
        st.markdown(_gift(one))
    for one in found.prices:
        st.markdown(_price(one))


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
    occasion = f"（{wording.name_of('occasion', one.occasion)}）" if one.occasion != "any" else ""
    return f":material/sell: {md(name)}{md(occasion)} **{t('library.lowest', amount=mine)}**"


def solutions(
    user: User,
    *,
    ticket_id: int,
    root_cause_id: int | None = None,
    case_type: str | None = None,
    product_ids: Sequence[int] = (),
    key: str = "talk_solutions",
) -> None:
    """Solutions for a ticket; using one is noted, and so is whether it helped."""
    found = reads.suggest(
        frame.client(), root_cause_id=root_cause_id, case_type=case_type, product_ids=product_ids
    )
    if not found:
        st.caption(t("library.no_fitting_solution"))
    for row in found[:3]:
        with st.container(border=True, gap="xsmall", key=f"{key}_{row.id}"):
            st.markdown(f"**{md(row.title)}**")
            st.markdown(words.lines(row.steps))
            st.caption(" · ".join(md(fact) for fact in solution_list.facts(row) if fact))
            if user.has("agent", "warehouse", "operations", "manager"):
                _use(row, ticket_id, key)
    st.page_link("knowledge.py", label=t("library.all_solutions"), icon=":material/menu_book:")


def _use(row: Solution, ticket_id: int, key: str) -> None:
    with st.container(horizontal=True, gap="small"):
        for name, helpful in (("used", None), ("helped", True), ("not_helped", False)):
            if st.button(t(f"library.solution_{name}"), key=f"{key}_{row.id}_{name}"):
                with frame.boundary():
                    asked = state.mark("solution_use", row.id, ticket_id, name)
                    commands.use_solution(
                        frame.client(), row.id, ticket_id, request_id=asked, helpful=helpful
                    )
                    frame.flash_and_rerun(t("library.solution_noted"))
