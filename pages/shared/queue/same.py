"""What can be decided together: exceptions of one kind with the same evidence, biggest groups first."""

from __future__ import annotations

import streamlit as st

from pages.shared import frame, widgets
from pages.shared.format import md
from pages.shared.frame import User
from pages.shared.i18n import t
from pages.shared.queue import bulk, gateway, state, words


def draw(user: User) -> None:
    """One line per group with its decisions; the filter of the kind narrows them."""
    with frame.boundary():
        wanted = st.session_state.get("orders_kind")
        found = [group for group in gateway.groups(frame.client()) if wanted in (None, group["kind"])]
        if not found:
            widgets.empty_state(t("orders.none.same"), t("orders.none.same_hint"), key="orders_same")
            return
        st.caption(t("orders.same_text"))
        for place, group in enumerate(found):
            _line(place, group)


def _line(place: int, group: gateway.Row) -> None:
    with st.container(
        border=True, horizontal=True, vertical_alignment="center", gap="small", key=f"orders_same_{place}"
    ):
        with st.container(gap="xxsmall", width="stretch"):
            head = t("orders.same_count", count=group["count"])
            st.markdown(f"{words.chips([group['kind']])} **{head}**")
            st.caption(md(words.evidence(group["kind"], group["evidence"])))
        for decision in bulk.DECISIONS:
            if group["kind"] == "refund_stop" and decision == "waived":
                continue
            key = f"orders_same_{place}_{decision}"
            if st.button(t(f"orders.{decision}_more"), key=key, icon=bulk.ICONS[decision]):
                asked = {"kind": group["kind"], "same_key": group["same_key"], "state": "open"}
                state.start_bulk(decision=decision, filter=asked)
                st.rerun()
