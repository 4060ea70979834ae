"""The filtered tickets as a file, masked and recorded; made when somebody asks for it."""

from __future__ import annotations

from functools import partial
from typing import Literal

import streamlit as st
from supabase import Client

from backend import exports
from backend.tickets import files
from backend.tickets.models import TicketFilter
from pages.shared import frame
from pages.shared.i18n import locale, t

ROLES = ("operations", "analyst", "manager", "admin")
_TYPES: tuple[tuple[Literal["csv", "xlsx"], str], ...] = (
    ("xlsx", exports.XLSX),
    ("csv", "text/csv"),
)


def draw(wanted: TicketFilter) -> None:
    """A button per format for what the filters leave."""
    with st.popover("", icon=":material/download:", help=t("tickets.export"), key="tickets_export"):
        st.caption(t("tickets.export_text", most=files.MOST_ROWS))
        for kind, mime in _TYPES:
            st.download_button(
                t(f"orders.export_{kind}"),
                partial(_content, frame.client(), wanted, kind, locale()),
                file_name=f"shopdesk-tickets.{kind}",
                mime=mime,
                key=f"tickets_export_{kind}",
                on_click="ignore",
                width="stretch",
            )


def _content(client: Client, wanted: TicketFilter, kind: Literal["csv", "xlsx"], lang: str) -> bytes:
    return files.ticket_file(client, wanted, fmt=kind, lang=lang)
