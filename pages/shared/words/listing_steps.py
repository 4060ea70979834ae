"""The steps of a text: 提交审核, 通过, 退回, 发布, 下架; for one or for many, with what will happen."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import streamlit as st

from backend.compliance import commands
from backend.compliance.models import Listing, ListingDetail, ListingRef, Moved, Step
from pages.shared import frame, widgets
from pages.shared.frame import User
from pages.shared.i18n import plain, t
from pages.shared.words import listing_state, wording
from pages.shared.words.listing_state import Bulk

ICONS: dict[Step, str] = {
    "submit": ":material/send:",
    "approve": ":material/check:",
    "return": ":material/undo:",
    "publish": ":material/storefront:",
    "withdraw": ":material/archive:",
}
NEEDS_REASON = ("return", "withdraw")
_BULK: Sequence[Step] = ("submit", "approve", "publish", "return", "withdraw")
_FROM: dict[Step, tuple[str, ...]] = {
    "submit": ("draft",),
    "approve": ("text_review", "final_review"),
    "return": ("text_review", "images", "final_review", "ready", "suspended"),
    "publish": ("ready", "suspended"),
    "withdraw": ("draft", "text_review", "images", "final_review", "ready", "published", "suspended"),
}
_CALLS = {
    "submit": commands.submit,
    "approve": commands.approve,
    "return": commands.send_back,
    "publish": commands.publish,
    "withdraw": commands.withdraw,
}


# --- many at once ---


def bar(user: User, ticked: Sequence[Listing]) -> None:
    """What can be done with the ticked rows. Always as high, so that the table does not move away."""
    if not user.has("operations", "manager"):
        return
    with (
        widgets.wide("listings_bulk"),
        st.container(horizontal=True, vertical_alignment="center", gap="small", key="listings_bulk_bar"),
    ):
        told = t("listings.selected", count=len(ticked)) if ticked else t("listings.tick_hint")
        st.markdown(told, width="content")
        for step in _BULK:
            possible = any(row.state in _FROM[step] for row in ticked)
            if st.button(
                t(f"listings.step_more.{step}"),
                key=f"listings_bulk_{step}",
                icon=ICONS[step],
                disabled=not possible,
            ):
                listing_state.start_bulk(step, ticked)
                st.rerun()


def dialog(what: Bulk, user: User) -> None:
    """The preview of a bulk step: how many go, which stay and why."""
    title = plain(f"listings.bulk.{what.step}")
    st.dialog(title, width="medium", icon=ICONS[what.step], on_dismiss=listing_state.end_bulk)(_body)(
        what, user
    )


def _body(what: Bulk, user: User) -> None:
    with frame.boundary():
        reason = _reason(what.step, "listings_bulk_reason")
        refused = Counter(why for row in what.rows if (why := expected(row, what.step, user, reason)))
        going = [row for row in what.rows if not expected(row, what.step, user, reason)]
        st.markdown(t(f"listings.preview.{what.step}", count=len(going)))
        for why, count in refused.items():
            st.warning(
                t("listings.bulk.refused", count=count, why=t(f"listings.why.{why}")), icon=":material/lock:"
            )
        st.caption(t("listings.bulk.checked"))
        label = t(f"listings.send.{what.step}", count=len(going))
        ready = bool(going) and (what.step not in NEEDS_REASON or bool(reason))
        if st.button(
            label, type="primary", key="listings_bulk_send", icon=ICONS[what.step], disabled=not ready
        ):
            with frame.boundary():
                carry_out(what.step, going, reason)


def expected(row: Listing, step: Step, user: User, reason: str) -> str | None:
    """Why a row will probably stay, as far as the list knows; the database decides."""
    if row.state not in _FROM[step]:
        return "state"
    if step == "approve" and row.author_id == user.id:
        return "own"
    if step == "approve" and row.state == "final_review" and not user.has("manager"):
        return "manager"
    if step in ("submit", "approve", "publish"):
        if row.verdict in ("block", "unchecked"):
            return row.verdict
        if row.verdict == "warn" and step == "submit" and not reason:
            return "warn"
    return None


def _reason(step: Step, key: str) -> str:
    if step == "approve":
        return ""
    label = t("listings.reason_needed" if step in NEEDS_REASON else "listings.grounds")
    return st.text_input(label, key=key, max_chars=300, help=t(f"listings.reason_help.{step}")).strip()


# --- one ---


def buttons(user: User, found: ListingDetail) -> None:
    """The steps that lead on from where the text stands, each with what will happen or why not."""
    row = found.listing
    steps: list[Step] = [step for step in _BULK if row.state in _FROM[step]]
    if not user.has("operations", "manager") or not steps:
        return
    key = f"listings_{row.id}_{row.version}"
    needs = any(step in NEEDS_REASON for step in steps) or row.verdict == "warn"
    reason = ""
    if needs:
        words = "listings.grounds_or_reason" if row.verdict == "warn" else "listings.reason_needed"
        reason = st.text_input(
            t(words),
            value=row.reason or "",
            key=f"{key}_reason",
            max_chars=300,
            help=t("listings.reason_help.one"),
        ).strip()
    first = True
    with st.container(horizontal=True, gap="small", key=f"{key}_steps"):
        for step in steps:
            first = not _button(found, step, reason, key, primary=first) and first
    for step in steps:
        _says(found, step, reason)


def _button(found: ListingDetail, step: Step, reason: str, key: str, *, primary: bool) -> bool:
    """Draws a step; answers whether it was drawn as the primary one."""
    stopped = _stopped(found, step, reason)
    is_primary = primary and stopped is None and step not in NEEDS_REASON
    if st.button(
        t(f"listings.step.{step}"),
        key=f"{key}_{step}",
        icon=ICONS[step],
        type="primary" if is_primary else "secondary",
        disabled=stopped is not None,
    ):
        with frame.boundary():
            carry_out(step, [found.listing], reason)
    return is_primary


def _stopped(found: ListingDetail, step: Step, reason: str) -> str | None:
    """Why a step cannot be taken now, as a sentence; None: it can."""
    right = found.rights.get(step)
    if right is not None and right.key:
        return wording.refused(right.key, right.params or {})
    given = reason or (found.listing.reason or "")
    if step in NEEDS_REASON and not reason:
        return ""
    if step in ("submit", "publish") and found.listing.verdict == "warn" and not given:
        return ""
    return None


def _says(found: ListingDetail, step: Step, reason: str) -> None:
    if step in NEEDS_REASON:
        return
    stopped = _stopped(found, step, reason)
    if stopped:
        st.caption(f":material/lock: {t(f'listings.step.{step}')} · {stopped}")
    elif stopped is None:
        name = found.listing.state if step == "approve" else step
        st.caption(f":material/info: {t(f'listings.effect.{name}')}")
    else:
        st.caption(f":material/edit: {t('listings.grounds_first')}")


def carry_out(step: Step, rows: Sequence[Listing], reason: str) -> None:
    """Takes the step and says what became of it; draws the page anew."""
    refs = [ListingRef(row.id, row.version) for row in rows]
    asked = frame.request_id("listings_step", step, refs, reason)
    moved: Moved = _CALLS[step](frame.client(), refs, request_id=asked, reason=reason)
    told = t(f"listings.did.{step}", count=moved.done)
    listing_state.changed(moved.batch_id, plain(f"listings.did.{step}", count=moved.done))
    for (key, params), count in _refusals(moved).items():
        why = wording.refused(key, dict(params))
        frame.flash(t("listings.bulk.stayed", count=count) + why, icon=":material/lock:")
    if moved.done:
        frame.flash_and_rerun(told)
    frame.done()
    st.rerun()


def _refusals(moved: Moved) -> Counter[Any]:
    return Counter(
        (
            one.key or "",
            tuple((name, value) for name, value in one.params.items() if isinstance(value, str | int)),
        )
        for one in moved.refused
    )
