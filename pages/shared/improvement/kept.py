"""What somebody typed while another saved: it stays in the form, beside what holds now."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import streamlit as st

from backend.errors import AppError
from pages.shared import frame
from pages.shared.format import md
from pages.shared.i18n import plain, t

_TYPED = "tasks_typed"


@contextmanager
def editing(name: str, record_id: int, typed: Mapping[str, Any]) -> Iterator[None]:
    """As `frame.editing`, but the form that opens anew holds what was `typed`."""
    forms: dict[tuple[str, int], Mapping[str, Any]] = st.session_state.setdefault(_TYPED, {})
    forms.pop((name, record_id), None)
    with frame.editing(name, record_id):
        try:
            yield
        except AppError as error:
            if error.key.endswith(".stale"):
                forms[(name, record_id)] = dict(typed)
            raise


def typed(name: str, record_id: int) -> Mapping[str, Any]:
    """What was typed into a form that somebody else was faster with, else nothing."""
    found: Mapping[str, Any] = st.session_state.get(_TYPED, {}).get((name, record_id), {})
    return found


def compare(fields: Sequence[tuple[str, object, object]]) -> None:
    """Field by field (label, what holds now, what was typed), where they differ; saving takes the typed."""
    now, yours = plain("tasks.theirs"), plain("tasks.yours")
    lines = [
        f"- {md(label)}: {now} **{md(theirs or '—')}** · {yours} **{md(mine or '—')}**"
        for label, theirs, mine in fields
        if theirs != mine
    ]
    st.warning("\n".join((t("tasks.conflict"), "", *lines)), icon=":material/sync_problem:")
