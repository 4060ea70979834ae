"""One approval, as the link of a reminder opens it on a phone: everything that decides, then 同意 or 驳回."""

from __future__ import annotations

import streamlit as st

from backend.tickets import approvals, attachments, wording
from backend.tickets.approvals import ApprovalScreen, Evidence
from pages.shared import address, frame, home_links
from pages.shared import format as fmt
from pages.shared.approvals import words
from pages.shared.format import md
from pages.shared.i18n import locale, plain, t

_SHOWN = 3
_MOST = 500


def opened() -> int | None:
    """The approval that the address names."""
    return address.number("id")


def is_misnamed() -> bool:
    """Whether the address names something that can be no approval."""
    return "id" in st.query_params and opened() is None


def draw(approval_id: int) -> None:
    """The page."""
    if st.button(t("approvals.back"), icon=":material/arrow_back:", type="tertiary", key="approvals_back"):
        st.query_params.clear()
        st.rerun()
    found = approvals.screen(frame.client(), approval_id)
    narrow, aside = st.columns([3, 2], gap="medium")
    with narrow:
        with st.container(border=True, gap="small", key="approval_facts"):
            _facts(found)
            _pictures(found)
        with frame.boundary():
            _decision(found)
    with aside:
        _order(found)
        _nearby(found)
        _people(found)


def _facts(found: ApprovalScreen) -> None:
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        st.markdown(f"### {md(fmt.money(found.amount))} {md(words.kind(found.kind))}", width="content")
        st.markdown(words.state(found), width="content")
    st.markdown(words.chips(found.why))
    st.caption(md(words.used(found.judged, found.covers)))
    st.markdown(f"**{md(found.money.reason or '')}**")
    computed = _computed(found)
    if computed:
        st.caption(md(computed))
    who = f"{found.requested_by or ''} · {frame.clock(found.requested_at, found.shop['timezone'])}"
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.caption(md(who), width="content")
        home_links.link(
            wording.number(found.ticket_id),
            "ticket",
            query={"id": str(found.ticket_id)},
            icon=":material/confirmation_number:",
        )
    if found.order:
        lines = plain("common.clauses").join(
            f"{line.name or line.sku or ''} × {line.quantity}" for line in found.order.items[:2]
        )
        st.caption(
            md(
                plain(
                    "approvals.order",
                    no=found.order.order_no,
                    amount=fmt.money(found.order.amount),
                    items=lines,
                )
            )
        )
    else:
        st.caption(t("approvals.no_order"))


def _computed(found: ApprovalScreen) -> str:
    """What the amount follows from: a gift at its cost, a calculated difference."""
    facts = found.money.facts
    if found.kind == "gift":
        return plain(
            "approvals.gift",
            name=facts.get("name") or found.money.gift_sku or "",
            count=found.money.gift_quantity or 1,
        )
    if found.kind == "price_protection" and "old" in facts:
        return plain(
            "approvals.price",
            old=fmt.money(facts["old"]),
            new=fmt.money(facts["new"]),
            count=facts["quantity"],
            day=facts["days"],
        )
    return ""


def _pictures(found: ApprovalScreen) -> None:
    """Small pictures of the proof; a tap shows one in full. Opening is recorded."""
    if not found.attachments:
        st.caption(f":material/hide_image: {t('approvals.no_proof')}")
        return
    if not (found.can_decide or frame.require_user().has("operations", "manager", "admin")):
        st.caption(f":material/lock: {t('approvals.locked_proof')}")
        return
    with st.container(horizontal=True, gap="small"):
        for file in found.attachments[:_SHOWN]:
            with frame.boundary():
                _picture(file)
    more = len(found.attachments) - _SHOWN
    if more > 0:
        st.caption(t("approvals.more_proof", count=more))


def _picture(file: Evidence) -> None:
    if not file.is_picture:
        st.caption(f":material/description: {md(file.name)}")
        return
    small = attachments.picture(frame.client(), file.id, preview=True)
    with st.container(gap="xxsmall", width=96):
        st.image(small, width=88)
        if st.button(t("approvals.full"), key=f"approval_photo_{file.id}", type="tertiary"):
            _full(file)


def _full(file: Evidence) -> None:
    @st.dialog(md(file.name), width="large")
    def body() -> None:
        with frame.boundary():
            st.image(attachments.picture(frame.client(), file.id), width="stretch")

    body()


def _decision(found: ApprovalScreen) -> None:
    """Two buttons for who may; for others the reason why not, or how it ended."""
    if found.state != "open":
        st.info(md(words.ending(found)), icon=":material/history:")
        if found.latest_id != found.id:
            st.caption(t("approvals.asked_anew"))
            home_links.link(t("approvals.latest"), "approvals", query={"id": str(found.latest_id)})
        return
    if not found.can_decide:
        if found.refusal:
            st.warning(words.lock(found.refusal), icon=":material/lock:")
        return
    _buttons(found)


def _buttons(found: ApprovalScreen) -> None:
    rejecting = f"approval_rejecting_{found.id}"
    if not st.session_state.get(rejecting):
        with st.container(horizontal=True, gap="small", key="approval_buttons"):
            if st.button(
                t("approvals.approve", amount=fmt.money(found.amount)),
                type="primary",
                icon=":material/check:",
                width="stretch",
                key="approval_approve",
            ):
                _decide(found, True, "")
            if st.button(
                t("approvals.reject"), icon=":material/close:", width="stretch", key="approval_reject"
            ):
                st.session_state[rejecting] = True
                st.rerun()
        st.caption(t("approvals.frozen"))
        return
    quick = st.pills(
        t("approvals.reason"),
        approvals.REASONS,
        format_func=lambda code: t(f"approvals.reason.{code}"),
        key=f"approval_quick_{found.id}",
        wrap=True,
    )
    text = st.text_input(
        t("approvals.reason_text"), key=f"approval_reason_{found.id}", max_chars=_MOST
    ).strip()
    said = (plain(f"approvals.reason.{quick}") if quick else "", text)
    reason = plain("common.clauses").join(part for part in said if part)
    with st.container(horizontal=True, gap="small"):
        if st.button(
            t("approvals.reject_now"),
            type="primary",
            disabled=not reason,
            width="stretch",
            key="approval_reject_now",
        ):
            _decide(found, False, reason)
        if st.button(t("approvals.keep"), width="stretch", key="approval_reject_cancel"):
            st.session_state.pop(rejecting, None)
            st.rerun()


def _decide(found: ApprovalScreen, approve: bool, reason: str) -> None:
    asked = frame.request_id("decide_approval", found.id, found.version, approve, reason)
    approvals.decide(frame.client(), found, approve, reason, request_id=asked)
    st.session_state.pop(f"approval_rejecting_{found.id}", None)
    told = "approvals.approved" if approve else "approvals.rejected"
    frame.flash_and_rerun(t(told, amount=fmt.money(found.amount), ticket=wording.number(found.ticket_id)))


# What else one may want to know ----------------------------------------------------------------------------


def _order(found: ApprovalScreen) -> None:
    ticket = found.ticket
    with st.container(border=True, gap="xsmall", key="approval_ticket"):
        label = wording.label("types", ticket.type, locale())
        st.markdown(f"**{md(wording.number(ticket.id))}** :gray-badge[{md(label)}]")
        if ticket.summary:
            st.markdown(md(ticket.summary))
        buyer = " · ".join(part for part in (ticket.buyer_account, ticket.receiver_masked) if part)
        st.caption(md(buyer) or t("approvals.no_buyer"))
        if ticket.claimed_amount is not None:
            st.caption(t("approvals.claimed", amount=fmt.money(ticket.claimed_amount)))


def _nearby(found: ApprovalScreen) -> None:
    if not found.nearby:
        return
    with st.expander(t("approvals.nearby", count=len(found.nearby)), icon=":material/receipt_long:"):
        for one in found.nearby:
            st.markdown(words.money(one))


def _people(found: ApprovalScreen) -> None:
    with st.expander(t("approvals.people"), icon=":material/group:"):
        if found.state == "open":
            names = plain("approvals.joiner").join(one.name for one in found.approvers)
            st.markdown(t("approvals.now", who=names or plain("approvals.nobody")))
        st.caption(t("approvals.asked"))
        for one in found.asked:
            st.markdown(md(words.person(one)))
        if not found.asked:
            st.markdown(t("approvals.nobody"))
        if found.passed:
            st.caption(t("approvals.passed"))
            for one in found.passed:
                st.markdown(md(words.person(one)))
