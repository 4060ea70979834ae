"""The filtered tickets as a file, masked and recorded; made when somebody asks for it."""

from __future__ import annotations

from functools import partial

from supabase import Client

from backend.tickets import files
from backend.tickets.choices import TicketFilter
from pages.shared import exporting, frame
from pages.shared.i18n import t

ROLES = ("operations", "analyst", "manager", "admin")


def draw(wanted: TicketFilter) -> None:
    """A button per format for what the filters leave."""
    hint = t("tickets.export_text", most=files.MOST_ROWS)
    exporting.draw("tickets", t("tickets.export"), hint, partial(_content, frame.client(), wanted))


def _content(client: Client, wanted: TicketFilter, kind: exporting.Format, lang: str) -> bytes:
    return files.ticket_file(client, wanted, fmt=kind, lang=lang)
