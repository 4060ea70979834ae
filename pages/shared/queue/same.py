"""What can be decided together: exceptions of one kind with the same evidence, biggest groups first."""

from __future__ import annotations

import streamlit as st

from backend.orders import reads, wording
from backend.orders.models import QueueFilter, SameGroup
from pages.shared import frame, widgets
from pages.shared.format import md
from pages.shared.i18n import locale, t
from pages.shared.queue import bulk
from pages.shared.queue.state import Bulk


def draw() -> None:
    """One line per group with its decisions; the filter of the kind narrows them."""
    with frame.boundary():
        kind = st.session_state.get("orders_kind")
        found = [group for group in reads.same_groups(frame.client()) if kind in (None, group.kind)]
        if not found:
            widgets.empty_state(t("orders.none.same"), t("orders.none.same_hint"), key="orders_same")
            return
        st.caption(t("orders.same_text"))
        for place, group in enumerate(found):
            _line(place, group)


def _line(place: int, group: SameGroup) -> None:
    with st.container(
        border=True, horizontal=True, vertical_alignment="center", gap="small", key=f"orders_same_{place}"
    ):
        count = t("orders.same_count", count=group.count)
        st.markdown(
            f"**{count}** · {md(wording.evidence(group.kind, group.evidence, locale()))}", width="stretch"
        )
        matching = QueueFilter(kind=group.kind, same_key=group.same_key)
        for decision in bulk.DECISIONS:
            if group.kind != "refund_stop" or decision != "waived":
                bulk.button(f"same_{place}", Bulk(decision, matching=matching))
