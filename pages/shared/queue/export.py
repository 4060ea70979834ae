"""The filtered rows as a file, masked and recorded; made when somebody asks for it."""

from __future__ import annotations

from functools import partial

from supabase import Client

from backend.orders import files
from backend.orders.models import QueueFilter
from pages.shared import exporting, frame
from pages.shared.i18n import t


def draw(wanted: QueueFilter) -> None:
    """A button per format for what the filters leave."""
    hint = t("orders.export_text", most=files.MOST_ROWS)
    exporting.draw("orders", t("orders.export"), hint, partial(_content, frame.client(), wanted))


def _content(client: Client, wanted: QueueFilter, kind: exporting.Format, lang: str) -> bytes:
    return files.queue_file(client, wanted, fmt=kind, lang=lang).content
