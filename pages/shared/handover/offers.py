"""What colleagues ask me to take on: all of it in one click, or some."""

from __future__ import annotations

import streamlit as st

from backend import handover
from backend.handover import Offer
from pages.shared import bell, frame
from pages.shared import format as fmt
from pages.shared.handover import rows
from pages.shared.i18n import t

REFRESH_SECONDS = 30


def listing() -> None:
    """A card for each colleague who hands over to me; looks for new ones by itself."""
    with frame.boundary():
        for offer in handover.screen(frame.client()).offers:
            _card(offer)


def _card(offer: Offer) -> None:
    with st.container(border=True, key=f"handover_offer_{offer.id}", gap="xsmall"):
        st.subheader(t("handover.offered", who=offer.who, count=len(offer.items)), anchor=False)
        taken = [item.id for item in offer.items if _choice(offer, item)]
        left = [item.id for item in offer.items if item.id not in taken]
        key = "take_all" if not left else "take_some" if taken else "take_none"
        label = t(f"handover.{key}", count=len(taken), left=len(left))
        if st.button(label, key=f"handover_take_{offer.id}", type="primary", icon=":material/how_to_reg:"):
            _answer(offer, taken, left)


def _choice(offer: Offer, item: handover.Item) -> bool:
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        chosen = st.checkbox(
            rows.words(item), value=True, key=f"handover_take_{offer.id}_{item.id}", width=300
        )
        if item.note:
            st.caption(fmt.md(item.note), width="stretch")
    return bool(chosen)


def _answer(offer: Offer, taken: list[int], left: list[int]) -> None:
    done = handover.answer(
        frame.client(),
        offer.id,
        accept=taken,
        decline=left,
        request_id=frame.request_id("handover_take", offer.id, taken, left),
    )
    bell.forget()
    if done.gone:
        frame.flash(t("handover.some_gone", count=done.gone), icon=":material/info:")
    frame.flash_and_rerun(t("handover.taken", count=done.taken, left=done.declined))
