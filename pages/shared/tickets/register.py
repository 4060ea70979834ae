"""登记: from any page by Alt+N. Paste, the order is recognised, one chip for the type, done."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import streamlit as st
from streamlit.errors import StreamlitAPIException

from backend import search
from backend.orders import reads as orders
from backend.orders import wording as order_words
from backend.orders.models import Item, OrderDetail
from backend.search import Hit
from backend.tickets import commands, reads, wording
from backend.tickets.choices import CHANNEL_OF, CHANNELS, OVER, TYPES
from backend.tickets.models import Case, Draft, Registered
from backend.tickets.suggest import suggest
from pages.shared import address, frame, widgets
from pages.shared import format as fmt
from pages.shared.format import md
from pages.shared.frame import User
from pages.shared.i18n import locale, plain, t
from pages.shared.tickets import insurance, state, words
from pages.shared.words import editor

ROLES = ("agent", "warehouse", "operations", "manager", "admin")
_OPEN = "desk_register"
_TEXT = "desk_register_text"
_ORDER = "desk_register_order"
_HITS = "desk_register_hits"
_TYPE = "desk_register_type"
_PROPOSED = "desk_register_proposed"
_DONE = "desk_register_done"
_TWINS = "desk_register_twins"
_TAKE = "desk_register_taking"
_MOST = 500
_OFFERED = 5


def button(user: User) -> None:
    """The button of the bar, and its shortcut on every page."""
    if user.has(*ROLES) and st.button(
        t("tickets.register"),
        key="desk_register_button",
        icon=":material/add_comment:",
        help=t("tickets.register_help"),
        shortcut="Alt+N",
        type="tertiary",
    ):
        start(order_id=_order_of_drawer())


def start(*, order_id: int | None = None) -> None:
    """Opens an empty form on the next run, or one for an order; the drawer of that order makes room."""
    _forget()
    st.session_state[_OPEN] = True
    st.session_state[_ORDER] = order_id
    editor.put(_TEXT, "")
    if order_id is not None:
        st.query_params.pop("id", None)


def draw(user: User) -> None:
    """Draws the form when it is open. Called after the page: only one drawer can be open at a time."""
    if not st.session_state.get(_OPEN):
        return
    drawer = st.dialog(
        plain("tickets.register_title"),
        width="medium",
        position="right",
        icon=":material/add_comment:",
        on_dismiss=_forget,
    )
    try:
        drawer(_body)(user)
    except StreamlitAPIException:  # the page itself has one open
        _forget()
        st.toast(t("tickets.close_first"), icon=":material/info:")


def _body(user: User) -> None:
    with frame.boundary():
        done: Registered | None = st.session_state.get(_DONE)
        if done is not None and done.id is not None:
            _registered(user, done.id)
            return
        text = _paste()
        order = _order(text)
        draft = _draft(user, text, order)
        twins: Sequence[Case] = st.session_state.get(_TWINS, ())
        if twins and draft:
            _ask_again(draft, twins)
        else:
            _buttons(user, draft)


def _buttons(user: User, draft: Draft | None) -> None:
    """Register for whoever is free, or take it at once."""
    with st.container(horizontal=True, gap="small"):
        if st.button(
            t("tickets.register_now"),
            key="desk_register_send",
            type="primary",
            icon=":material/check:",
            shortcut="Alt+Enter",
            disabled=draft is None,
            width="stretch",
        ):
            _send(draft)
        if not user.has("warehouse") and st.button(
            t("tickets.register_take"),
            key="desk_register_take",
            icon=":material/front_hand:",
            disabled=draft is None,
            width="stretch",
        ):
            _send(draft, take=True)


def _paste() -> str:
    editor.draw(
        _TEXT,
        label=plain("tickets.paste"),
        hits=(),
        placeholder=plain("tickets.paste_example"),
        count=plain("words.signs", count="{count}", most=_MOST),
        most=_MOST,
        height=96,
        focus=True,
    )
    return editor.text(_TEXT)[:_MOST]


def _order(text: str) -> OrderDetail | None:
    """The order the text speaks of, shown with its open cases; several are offered, the surest first."""
    fixed: int | None = st.session_state.get(_ORDER)
    chosen = fixed if fixed is not None else _chosen(_recognised(text))
    if chosen is None:
        if text.strip():
            st.caption(t("tickets.no_order"))
        return None
    found = orders.detail(frame.client(), chosen)
    if found is None:
        return None
    order = found.order
    with st.container(border=True, gap="xxsmall", key="desk_register_found"):
        st.markdown(f":material/check_circle: **{md(order.order_no)}** · {md(fmt.money(order.amount))}")
        facts = (
            order.shop_name,
            order.buyer_account,
            order_words.label(order_words.STATUSES, order.status, locale()),
            " ".join(part for part in (order.receiver_masked, order.phone_masked) if part),
        )
        st.caption(md(" · ".join(fact for fact in facts if fact)))
        _cases(order.id)
    return found


def _recognised(text: str) -> Sequence[Hit]:
    """Orders that the text names. Asked for once per text."""
    kept = st.session_state.get(_HITS)
    if kept is None or kept[0] != text:
        found = search.search(frame.client(), frame.keyring(), text).orders if text.strip() else ()
        kept = (text, found[:_OFFERED])
        st.session_state[_HITS] = kept
    hits: Sequence[Hit] = kept[1]
    return hits


def _chosen(hits: Sequence[Hit]) -> int | None:
    if len(hits) < 2:
        return hits[0].id if hits else None
    labels = {hit.id: _hit_words(hit) for hit in hits}
    return st.radio(
        t("tickets.which_order", count=len(hits)),
        list(labels),
        format_func=lambda order_id: labels[order_id],
        key=f"desk_register_which_{hits[0].id}_{len(hits)}",
    )


def _hit_words(hit: Hit) -> str:
    parts = (hit.order_no, fmt.money(hit.amount), frame.clock(hit.placed_at), hit.buyer_account or "")
    return md(" · ".join(part for part in parts if part))


def _cases(order_id: int) -> None:
    """The other cases of this buyer that are still open, whoever works on them."""
    open_ones = [
        case for case in reads.cases(frame.client(), {"order_id": order_id}) if case.state not in OVER
    ]
    for case in open_ones[:3]:
        st.caption(f":material/info: {md(words.case(case))}")


def _draft(user: User, text: str, order: OrderDetail | None) -> Draft | None:
    """What the form says so far; None while something is missing."""
    kind = _type(text)
    item = _item(order.items) if order else None
    shop_id, buyer = (order.order.shop_id, None) if order else _without_order(user)
    more = _more(user, shop_id, order)
    if kind is None or shop_id is None or not (text.strip() or order):
        return None
    return Draft(
        type=kind,
        summary=text.strip() or words.of("types", kind),
        shop_id=shop_id,
        order_id=order.order.id if order else None,
        buyer_account=order.order.buyer_account if order else buyer,
        sku=item.sku if item else None,
        quantity=1 if item else None,
        **more,
    )


def _type(text: str) -> str | None:
    """The chips, with what the text proposes chosen and its reason beside, until a person chooses."""
    proposal = suggest(text).type
    before = st.session_state.get(_PROPOSED)
    if proposal and proposal.value != before:
        if st.session_state.get(_TYPE) in (None, before):
            st.session_state[_TYPE] = proposal.value
        st.session_state[_PROPOSED] = proposal.value
    chosen: str | None = st.pills(
        t("tickets.type"),
        TYPES,
        required=True,  # who presses what is proposed means it, and does not take it away
        format_func=partial(words.of, "types"),
        key=_TYPE,
        wrap=True,
    )
    if proposal and chosen == proposal.value:
        st.caption(f":material/lightbulb: {t('tickets.proposed', words=said(proposal.words))}")
    return chosen


def said(signs: Sequence[str]) -> str:
    """The words a proposal rests on, quoted."""
    return plain("tickets.joiner").join(plain("tickets.quoted", word=sign) for sign in signs)


def _item(items: Sequence[Item]) -> Item | None:
    """Which line of the order it is about; the only one when there is one."""
    if len(items) < 2:
        return items[0] if items else None
    place = st.pills(
        t("tickets.which_item"),
        range(len(items)),
        default=0,
        required=True,
        format_func=lambda n: md(items[n].name or items[n].sku or str(n + 1)),
        key="desk_register_item",
        wrap=True,
    )
    return items[place or 0]


def _without_order(user: User) -> tuple[int | None, str | None]:
    """Shop and buyer account of a case that no order is known for."""
    with st.container(horizontal=True, gap="small"):
        shop_id = st.selectbox(
            t("tickets.shop"),
            [shop.id for shop in user.shops],
            index=0 if len(user.shops) == 1 else None,
            placeholder=plain("tickets.choose"),
            format_func=lambda one: shop.name if (shop := user.shop(one)) else "",
            key="desk_register_shop",
        )
        buyer = st.text_input(t("tickets.buyer"), key="desk_register_buyer", max_chars=80)
    return shop_id, (buyer or "").strip() or None


def _more(user: User, shop_id: int | None, order: OrderDetail | None) -> dict[str, Any]:
    """What is rarely needed: channel, parcel, amount, the platform's own number, freight insurance."""
    shop = user.shop(shop_id)
    usual = CHANNEL_OF.get(shop.platform if shop else "", "other")
    with st.expander(t("tickets.more"), icon=":material/tune:", key="desk_register_more"):
        channel = st.selectbox(
            t("tickets.channel"),
            CHANNELS,
            index=CHANNELS.index(usual),
            format_func=partial(words.of, "channels"),
            key=f"desk_register_channel_{usual}",
        )
        with st.container(horizontal=True, gap="small"):
            tracking = st.text_input(t("tickets.tracking"), key="desk_register_tracking", max_chars=40)
            platform_ref = st.text_input(t("tickets.platform_ref"), key="desk_register_ref", max_chars=40)
        amount = st.number_input(
            t("tickets.claimed"), min_value=0.0, max_value=999_999.0, value=None, key="desk_register_claimed"
        )
        insured = insurance.choose(None, key="desk_register_insured")
    parcel = (tracking or "").strip() or (order.order.tracking_no if order else None)
    return {
        "channel": channel,
        "tracking_no": parcel,
        "platform_ref": (platform_ref or "").strip() or None,
        "claimed_amount": None if amount is None else Decimal(f"{amount:.2f}"),
        "freight_insurance": insured,
    }


def _ask_again(draft: Draft, twins: Sequence[Case]) -> None:
    """It looks like a case that is open: open that one, or say that it is another."""
    st.warning(t("tickets.twins", count=len(twins)), icon=":material/content_copy:")
    for case in twins:
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.markdown(md(words.case(case)), width="stretch")
            if st.button(t("tickets.open"), key=f"desk_register_twin_{case.id}"):
                _forget()
                state.open_ticket(case.id)
    if st.button(t("tickets.register_anyway"), key="desk_register_force", width="stretch"):
        _send(draft, force=True)


def _send(draft: Draft | None, *, take: bool = False, force: bool = False) -> None:
    if draft is None:
        return
    draft = replace(draft, take=take or bool(st.session_state.get(_TAKE)))
    st.session_state[_TAKE] = draft.take
    asked = state.mark("tickets_register", draft, force)
    found = commands.register(frame.client(), draft, request_id=asked, force=force)
    frame.done()
    if found.id is None:
        st.session_state[_TWINS] = found.duplicates
    else:
        st.session_state[_DONE] = found
        state.forget_list()
    st.rerun()


def _registered(user: User, ticket_id: int) -> None:
    """What happened, and what usually comes next."""
    kind = st.session_state.get(_TYPE) or "service"
    st.success(t("tickets.registered", number=wording.number(ticket_id)), icon=":material/task_alt:")
    line = words.remark(kind, ticket_id, user)
    st.markdown(f"`{line}`")
    widgets.copy_button(line, key="desk_register_remark", label=plain("tickets.copy_remark"))
    with st.container(horizontal=True, gap="small"):
        if st.button(
            t("tickets.open_number", number=wording.number(ticket_id)),
            key="desk_register_open",
            type="primary",
            icon=":material/arrow_forward:",
        ):
            _forget()
            state.open_ticket(ticket_id)
        if st.button(t("tickets.register_next"), key="desk_register_again", icon=":material/add_comment:"):
            start()
            st.rerun()


def _order_of_drawer() -> int | None:
    """The order whose drawer is open on the page of orders: the form is about that one."""
    page = urlsplit(st.context.url or "").path.rstrip("/").rpartition("/")[2]
    return address.number("id") if page == "orders" else None


def _forget() -> None:
    """Puts the form away with all that was typed into it."""
    for name in [str(key) for key in st.session_state if str(key).startswith("desk_register")]:
        if name not in ("desk_register_button",) and not name.endswith(("_send", "_field", "_mark")):
            st.session_state.pop(name, None)
