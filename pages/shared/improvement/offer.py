"""从数字提任务: one click beside a cause or a missed target makes a proposal that says where it came from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from backend.improvement import commands
from pages.shared import frame
from pages.shared.i18n import t


def button(
    label: str, *, key: str, title: str, source: str, evidence: Mapping[str, Any], shop_id: int | None
) -> None:
    """A button that proposes `title` from `source` (`root_cause`, `anomaly`) with its `evidence`."""
    if not st.button(label, key=key, icon=":material/add_task:", type="tertiary", help=t("tasks.offer_help")):
        return
    facts = {
        "title": title[:120],
        "source": source,
        "evidence": dict(evidence),
        "shop_id": shop_id,
    }
    with frame.boundary():
        asked = frame.request_id("tasks_offer", *facts.values())
        number = commands.propose(frame.client(), facts, request_id=asked)
        frame.flash_and_rerun(t("tasks.offered", number=f"O-{number}"))
