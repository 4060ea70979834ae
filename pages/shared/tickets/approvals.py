"""The way from a ticket to the approval it waits for."""

from __future__ import annotations

import streamlit as st

from backend.tickets.models import TicketScreen
from pages.shared import navigation
from pages.shared.i18n import t


def go(found: TicketScreen) -> None:
    """Opens the approval that is asked for."""
    waiting = next((one.approval for one in found.money if one.state == "requested" and one.approval), None)
    if waiting is None:
        st.info(t("tickets.no_approval"), icon=":material/info:")
        return
    st.switch_page(navigation.PAGES_DIR / "approvals.py", query_params={"id": str(waiting["id"])})
