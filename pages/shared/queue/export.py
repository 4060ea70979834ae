"""The filtered rows as a file, masked and recorded; made when somebody asks for it."""

from __future__ import annotations

from functools import partial
from typing import Literal

import streamlit as st
from supabase import Client

from backend import exports
from backend.orders import files
from backend.orders.models import QueueFilter
from pages.shared import frame
from pages.shared.i18n import locale, t

_TYPES: tuple[tuple[Literal["csv", "xlsx"], str], ...] = (
    ("xlsx", exports.XLSX),
    ("csv", "text/csv"),
)


def draw(wanted: QueueFilter) -> None:
    """A button per format for what the filters leave."""
    with st.popover("", icon=":material/download:", help=t("orders.export"), key="orders_export"):
        st.caption(t("orders.export_text", most=files.MOST_ROWS))
        for kind, mime in _TYPES:
            st.download_button(
                t(f"orders.export_{kind}"),
                partial(_content, frame.client(), wanted, kind, locale()),
                file_name=f"shopdesk-orders.{kind}",
                mime=mime,
                key=f"orders_export_{kind}",
                on_click="ignore",
                width="stretch",
            )


def _content(client: Client, wanted: QueueFilter, kind: Literal["csv", "xlsx"], lang: str) -> bytes:
    return files.queue_file(client, wanted, fmt=kind, lang=lang).content
