"""Gift rules and the price table: tabs, filters, cards with who decided and when it holds."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from backend.library import reads
from backend.library.models import OFFER_TABS, Offer, OfferKind
from pages.shared import frame, widgets
from pages.shared.format import md
from pages.shared.frame import User
from pages.shared.i18n import plain, t
from pages.shared.library import state, wording

VIEWS = ("gift", "price", "check")
_NARROWING = ("shop", "q")
_NAMES = ("view", "tab", *_NARROWING)


def sync(user: User) -> None:
    """Brings the widgets in line with the address."""
    shops = {str(shop.id) for shop in user.shops}
    state.sync(
        "gifts",
        {
            "view": VIEWS.__contains__,
            "tab": (*OFFER_TABS, "missing", "released", "waiting", "later").__contains__,
            "shop": shops.__contains__,
            "q": state.short,
        },
    )
    usual = "check" if user.has("warehouse") else VIEWS[0]
    st.session_state["gifts_view"] = state.value("gifts", "view") or usual


def view() -> str:
    """Which of the three the page shows."""
    return str(state.value("gifts", "view"))


def tab(usual: str, allowed: tuple[str, ...]) -> str:
    """The tab within a view; what belongs to another view means the usual one."""
    found = state.value("gifts", "tab")
    return found if found in allowed else usual


def write() -> None:
    """Puts what is shown into the address."""
    state.write("gifts", _NAMES)


def show() -> None:
    """Another view begins with its usual tab."""
    st.session_state["gifts_tab"] = None
    write()


def draw(user: User, kind: OfferKind) -> None:
    """The rules of a kind."""
    here = tab("holds", OFFER_TABS)
    shop = state.value("gifts", "shop")
    q = state.value("gifts", "q")
    after = widgets.cursor("gifts", kind, here, shop, q)
    page = reads.offers(
        frame.client(),
        kind,
        tab=here,
        shop_id=int(shop) if shop else None,
        q=q,
        after=after,
    )
    tabs(here, OFFER_TABS, page.tabs, "offer_tab", always=("holds", "pending"))
    filters(user)
    if not page.rows:
        widgets.empty_state(
            t("library.none_match" if shop or q else f"library.no_offers.{here}"),
            t("library.none_match_hint" if shop or q else f"library.no_offers_hint.{kind}"),
            icon=":material/redeem:",
            key="gifts",
        )
        return
    with st.grid(min_column_width=340, gap="small", key="gifts_cards"):
        for row in page.rows:
            _card(row, user)
    widgets.pager(
        "gifts",
        next_cursor=page.next,
        shown=len(page.rows),
        total=page.tabs.get(here),
    )


def tabs(
    here: str, names: tuple[str, ...], counts: Mapping[str, int], words: str, *, always: tuple[str, ...]
) -> None:
    """The tabs of a view with their counts."""
    st.session_state["gifts_tab"] = here
    st.segmented_control(
        t("library.tabs"),
        [name for name in names if name in always or counts.get(name) or name == here],
        required=True,
        format_func=lambda name: f"{plain(f'library.{words}.{name}')} {counts.get(name, 0)}",
        key="gifts_tab",
        label_visibility="collapsed",
        on_change=write,
        wrap=True,
    )


def filters(user: User, *, searching: bool = True) -> None:
    """Shop and search."""
    names = {str(shop.id): shop.name for shop in user.shops}
    with widgets.filter_row("gifts"):
        if len(names) > 1:
            widgets.choice(
                t("library.filter.shop"), list(names), names.get, key="gifts_shop", on_change=write, width=180
            )
        if searching:
            st.text_input(
                t("library.search"),
                key="gifts_q",
                placeholder=plain("library.search_offer"),
                on_change=write,
                max_chars=60,
                width=220,
            )


def _card(row: Offer, user: User) -> None:
    with st.container(border=True, gap="xsmall", key=f"gifts_card_{row.id}", height="stretch"):
        st.markdown(f"**{md(row.name)}**")
        st.markdown("  \n".join(md(line) for line in said(row)))
        if row.note:
            st.markdown(f":gray[{md(row.note)}]")
        st.caption(" · ".join(md(part) for part in _foot(row) if part))
        st.button(t("library.open"), key=f"gifts_open_{row.id}", on_click=state.open_record, args=(row.id,))


def said(row: Offer) -> list[str]:
    """What a rule allows, line by line. Plain text."""
    return _gift(row) if row.kind == "gift" else _price(row)


def _gift(row: Offer) -> list[str]:
    when = [plain("library.from_amount", amount=wording.amount(row.min_amount))] if row.min_amount else []
    when += (
        [plain("library.with_product", product=f"{row.product or ''} {row.sku}".strip())] if row.sku else []
    )
    cost = plain("library.cost_each", cost=wording.amount(row.cost))
    lines = [
        plain(
            "library.gets",
            when=" · ".join(when) or plain("library.any_order"),
            gift=row.gift_name,
            count=row.quantity,
        ),
        f"{row.gift_sku} · {cost}" if row.gift_sku else cost,
    ]
    if row.after_order_price is not None:
        lines.append(plain("library.after_order", amount=wording.amount(row.after_order_price)))
    return lines


def _price(row: Offer) -> list[str]:
    product = f"{row.product or ''} {row.sku}".strip()
    steps = [plain("library.price.list", amount=wording.amount(row.list_price))]
    if row.promised_by == "agent":
        steps.append(plain("library.price.agent", amount=wording.amount(row.agent_price)))
    lowest = row.agent_price if row.manager_price is None else row.manager_price
    steps.append(plain("library.price.manager", amount=wording.amount(lowest)))
    lines = [product, " · ".join(steps)]
    return lines if row.occasion == "any" else [*lines, wording.name_of("occasion", row.occasion)]


def _foot(row: Offer) -> list[str]:
    until = plain("library.until", at=frame.clock(row.valid_until)) if row.valid_until else ""
    who = plain("library.promised_by", who=wording.name_of("who", row.promised_by))
    decided = plain("library.approved_by", who=row.decided_by_name) if row.decided_by_name else ""
    where = row.shop_name or plain("library.all_shops")
    return [where, plain("library.from", at=frame.clock(row.valid_from)), until, who, decided]
