"""补偿、赠品、退款: what I may give by myself, what somebody else has to approve, who that is and by when."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from functools import partial
from typing import Any

import streamlit as st

from backend.library import reads as library
from backend.library.models import Offer
from backend.tickets import money
from backend.tickets.choices import MONEY_KINDS
from backend.tickets.models import Money, TicketScreen
from backend.tickets.money import Judged
from pages.shared import format as fmt
from pages.shared import frame
from pages.shared.format import md
from pages.shared.frame import User
from pages.shared.i18n import plain, t
from pages.shared.tickets import one, price, words

_USUAL: Mapping[str, str] = {
    "reship": "reship",
    "refund_only": "refund_only",
    "return": "return_refund",
    "exchange": "reship",
    "price_protection": "price_protection",
}


def draw(user: User, found: TicketScreen) -> None:
    """The box: kind, amount, reason; a sentence says what will happen before anything is sent."""
    st.fragment(_body, key="ticket_money_part")(user, found)


def _body(user: User, found: TicketScreen) -> None:
    with frame.boundary():
        ticket = found.ticket
        kind = st.pills(
            t("tickets.money_kind"),
            MONEY_KINDS,
            default=_USUAL.get(ticket.type, "compensation"),
            required=True,
            format_func=partial(words.of, "money"),
            key=f"ticket_money_kind_{ticket.id}",
            wrap=True,
        )
        facts = {"kind": kind} | (_what(user, found, kind or "compensation") or {})
        if facts.pop("refused", False):
            st.caption(t("tickets.money_refused"))
            return
        reason = _reason(found, kind or "compensation")
        evidence = _evidence(found)
        judged = _judged(found, facts | {"evidence": evidence}) if _is_whole(facts) else None
        _authority(found, kind or "compensation", judged)
        if st.button(
            _label(kind or "compensation", judged),
            key="ticket_money_send",
            type="primary",
            disabled=judged is None or not reason,
            help=None if reason else t("tickets.money_reason_missing"),
        ):
            _send(found, facts | {"reason": reason, "evidence": evidence})


def _reason(found: TicketScreen, kind: str) -> str:
    """Why; of price protection the calculation says it, so it stands there already."""
    is_computed = kind == "price_protection"
    part = "_price" if is_computed else ""
    return st.text_input(
        t("tickets.money_reason"),
        plain("tickets.money_reason_price") if is_computed else "",
        key=f"ticket_money_reason{part}_{found.ticket.id}",
        placeholder=plain("tickets.money_reason_example"),
        max_chars=300,
    ).strip()


def _label(kind: str, judged: Judged | None) -> str:
    """What the button does, with its amount as soon as there is one."""
    if judged is None:
        return plain(f"tickets.money_give.{kind}", amount="").strip()
    key = "tickets.money_ask" if judged.needs_approval else f"tickets.money_give.{kind}"
    return plain(key, amount=fmt.money(judged.amount))


def _what(user: User, found: TicketScreen, kind: str) -> dict[str, Any] | None:
    """What the kind needs: an amount, a gift of the list, or a product (price protection is computed)."""
    if kind == "gift":
        return _gift(found)
    if kind == "price_protection":
        st.caption(t("tickets.money_computed"))
        return price.draw(user, found, st.session_state.get(f"ticket_money_evidence_{found.ticket.id}", ()))
    usual = None
    if kind == "reship" and found.order and found.order.amount is not None:
        usual = float(found.order.amount)
    amount = st.number_input(
        t("tickets.money_worth" if kind == "reship" else "tickets.money_amount"),
        min_value=0.0,
        max_value=999_999.0,
        value=usual,
        step=10.0,
        key=f"ticket_money_amount_{kind}_{found.ticket.id}",
    )
    return None if amount is None else {"amount": f"{amount:.2f}"}


def _gift(found: TicketScreen) -> dict[str, Any] | None:
    """The gifts that may be promised in this shop now, at their cost."""
    skus = [found.ticket.sku] if found.ticket.sku else []
    gifts = [
        gift for gift in library.offers_for(frame.client(), found.ticket.shop_id, skus).gifts if gift.gift_sku
    ]
    if not gifts:
        st.caption(t("tickets.no_gifts"))
        return None
    chosen = st.pills(
        t("tickets.which_gift"),
        range(len(gifts)),
        default=0,
        required=True,
        format_func=lambda place: _gift_words(gifts[place]),
        key=f"ticket_money_gift_{found.ticket.id}",
        wrap=True,
    )
    return {"gift_sku": gifts[chosen or 0].gift_sku, "gift_quantity": 1}


def _gift_words(gift: Offer) -> str:
    return md(f"{gift.gift_name} {fmt.money(gift.cost)}")


def _evidence(found: TicketScreen) -> list[int]:
    """Photos of the ticket that prove it."""
    if not found.attachments:
        return []
    names = {file.id: file.name for file in found.attachments}
    chosen: list[int] = st.multiselect(
        t("tickets.evidence"),
        list(names),
        format_func=lambda file_id: names[file_id],
        placeholder=plain("tickets.choose"),
        key=f"ticket_money_evidence_{found.ticket.id}",
        max_selections=10,
    )
    return chosen


def _is_whole(facts: Mapping[str, Any]) -> bool:
    return any(name in facts for name in ("amount", "gift_sku", "sku"))


def _judged(found: TicketScreen, facts: Mapping[str, Any]) -> Judged | None:
    """How the amount stands to the authority table; a refusal is said and nothing can be sent."""
    with frame.boundary():
        return money.preview(frame.client(), found.ticket.id, facts)
    return None


def _authority(found: TicketScreen, kind: str, judged: Judged | None) -> None:
    """「权限内 ¥500，已用 ¥0」, or who has to approve it, why, and by when."""
    if judged is None:
        pot = "compensation" if kind == "gift" else kind
        rows = [row for row in money.authority(frame.client(), found.ticket.id) if row.pot == pot]
        for row in rows:
            st.caption(f":material/verified_user: {_limit(row.limit, row.used)}")
        return
    if not judged.needs_approval:
        st.success(_limit(judged.limit, judged.used), icon=":material/verified_user:")
        return
    why = plain("tickets.joiner").join(plain(f"tickets.money_why.{code}") for code in judged.why)
    who = judged.approvers[0].name if judged.approvers else plain("tickets.nobody_yet")
    by = frame.clock(judged.due_at)
    text = t("tickets.money_needs", amount=fmt.money(judged.amount), why=why, who=who, by=by)
    st.warning(text, icon=":material/approval:")
    st.caption(_limit(judged.limit, judged.used))


def _limit(limit: Decimal | None, used: Decimal | None) -> str:
    if limit is None:
        return t("tickets.money_no_limit")
    return t("tickets.money_within", limit=_round(limit), used=_round(used or Decimal(0)))


def _round(amount: Decimal) -> str:
    """`¥500` where there are no cents, `¥12.50` where there are."""
    text = fmt.money(amount)
    return text.removesuffix(".00")


def _send(found: TicketScreen, facts: Mapping[str, Any]) -> None:
    asked = one.mark(found, "money", sorted(facts.items(), key=str))
    answer = money.request(frame.client(), one.ref(found), facts, request_id=asked)
    amount = fmt.money(answer.amount)
    if answer.needs_approval:
        who = answer.approvers[0].name if answer.approvers else plain("tickets.nobody_yet")
        told = t("tickets.money_asked", amount=amount, who=who)
    else:
        told = t("tickets.money_granted", amount=amount)
    one.finished(told, icon=":material/payments:")


def rows(user: User, found: TicketScreen) -> None:
    """What was promised so far, and what of it has been paid."""
    if not found.money:
        return
    with st.container(border=True, gap="xsmall", key="ticket_money_rows"):
        st.markdown(f"**{t('tickets.money')}**")
        for row in found.money:
            _row(user, found, row)


def _may_note(user: User, found: TicketScreen) -> bool:
    """Who may note that money has left, whatever has become of the ticket since: the handler, a lead,
    operations, managers.
    """
    return found.is_mine or user.is_duty_lead or user.has("operations", "manager")


def _row(user: User, found: TicketScreen, row: Money) -> None:
    gift = f" {row.gift_sku} × {row.gift_quantity}" if row.gift_sku else ""
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        state = md(words.of("money_states", row.state))
        st.markdown(
            f"{md(words.of('money', row.kind) + gift)} **{md(fmt.money(row.amount))}** :gray[{state}]",
            width="stretch",
        )
        if row.state not in ("granted", "approved"):
            return
        if _may_note(user, found):
            part = "sent" if row.kind in ("reship", "gift") else "paid"
            if st.button(t(f"tickets.money_{part}"), key=f"ticket_paid_{row.id}", type="tertiary"):
                asked = one.mark(found, "paid", row.id, row.version)
                one.carry_out(
                    lambda: money.mark_paid(frame.client(), row.id, row.version, request_id=asked),
                    t(f"tickets.money_{part}_done"),
                )
        if "resolve_ticket" in found.can and st.button(
            t("tickets.money_cancel"), key=f"ticket_unpay_{row.id}", type="tertiary"
        ):
            asked = one.mark(found, "unpay", row.id, row.version)
            reason = plain("tickets.money_cancel_reason")
            one.carry_out(
                lambda: money.cancel(frame.client(), row.id, row.version, reason, request_id=asked),
                t("tickets.money_cancelled"),
            )
