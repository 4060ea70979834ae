"""The returns desk of the warehouse: one field for the scanner, one click for the goods, next parcel."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from backend.orders import wording as order_words
from backend.tickets import commands, reads, wording
from backend.tickets.models import Parcel, TicketRef
from pages.shared import frame, home_links, widgets
from pages.shared.format import md
from pages.shared.frame import User
from pages.shared.i18n import t
from pages.shared.tickets import state, words

_FIELD = "receiving_number"
_ICONS = {"good": ":material/check_circle:", "bad": ":material/broken_image:"}


def draw(user: User) -> None:
    """The field, what it found, and what is still on its way."""
    number = st.text_input(
        t("receiving.number"),
        key=_FIELD,
        placeholder=t("receiving.number_hint"),
        icon=":material/barcode_scanner:",
        max_chars=60,
    ).strip()
    with frame.boundary():
        if number:
            _found(user, number.upper(), reads.parcels(frame.client(), number.upper()))
        _coming(user, reads.parcels(frame.client()))


def _found(user: User, number: str, parcels: Sequence[Parcel]) -> None:
    if not parcels:
        st.warning(t("receiving.unknown", number=number), icon=":material/search_off:")
        return
    for place, parcel in enumerate(parcels):
        with st.container(border=True, gap="small", key=f"receiving_parcel_{parcel.ticket_id}"):
            _facts(user, parcel)
            with st.container(horizontal=True, gap="small"):
                for n, quality in enumerate(("good", "bad"), start=1):
                    if st.button(
                        t(f"receiving.{quality}"),
                        key=f"receiving_{quality}_{parcel.ticket_id}",
                        icon=_ICONS[quality],
                        type="primary" if quality == "good" else "secondary",
                        shortcut=f"Alt+{n}" if place == 0 else None,
                    ):
                        _receive(parcel, quality)


def _facts(user: User, parcel: Parcel) -> None:
    shop = user.shop(parcel.shop_id)
    goods = f"{parcel.sku or ''} × {parcel.quantity or 1}" if parcel.sku else ""
    parts = (
        shop.name if shop else "",
        goods,
        parcel.buyer_account or parcel.receiver_masked or "",
        f"{parcel.carrier or ''} {parcel.tracking_no or ''}".strip(),
    )
    number = wording.number(parcel.ticket_id)
    st.markdown(
        f"**{number}** :gray-badge[{md(words.of('types', parcel.type))}] {md(words.short(parcel.summary))}"
    )
    st.caption(md(" · ".join(part for part in parts if part)))
    home_links.link(
        t("tickets.open"), "ticket", query={"id": str(parcel.ticket_id)}, icon=":material/open_in_new:"
    )


def _receive(parcel: Parcel, quality: str) -> None:
    ref = TicketRef(parcel.ticket_id, parcel.version)
    asked = state.mark("receive_return", ref, quality)
    commands.return_step(frame.client(), "receive_return", ref, {"quality": quality}, request_id=asked)
    st.session_state.pop(_FIELD, None)
    state.forget_list()
    frame.flash_and_rerun(t("receiving.done", number=wording.number(parcel.ticket_id)))


def _coming(user: User, parcels: Sequence[Parcel]) -> None:
    """What customers have announced; a parcel without its number can be found here."""
    if not parcels:
        widgets.empty_state(t("receiving.none"), t("receiving.none_hint"), key="receiving")
        return
    st.markdown(f"**{t('receiving.coming', count=len(parcels))}**")
    for parcel in parcels:
        shop = user.shop(parcel.shop_id)
        number = (
            order_words.short_number(parcel.tracking_no) if parcel.tracking_no else t("receiving.no_number")
        )
        parts = (
            wording.number(parcel.ticket_id),
            words.of("returns", parcel.state),
            number,
            shop.name if shop else "",
            parcel.buyer_account or parcel.receiver_masked or "",
            words.short(parcel.summary),
        )
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.markdown(md(" · ".join(part for part in parts if part)), width="stretch")
            for quality in ("good", "bad"):
                if st.button(
                    t(f"receiving.{quality}_short"),
                    key=f"receiving_row_{quality}_{parcel.ticket_id}",
                    icon=_ICONS[quality],
                    type="tertiary",
                ):
                    _receive(parcel, quality)
