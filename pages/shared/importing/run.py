"""Carrying out the planned imports, with visible progress; stock before orders, orders before parcels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from backend.imports import kinds, runner
from pages.shared import frame
from pages.shared.frame import User
from pages.shared.i18n import t
from pages.shared.importing import calls, kept, uploads
from pages.shared.importing.kept import State

_ORDER = ("products", *kinds.KINDS)  # stock first, so that the orders are judged by it
_SHARE = {"staging": (0.0, 0.6), "applying": (0.6, 0.25), "checking": (0.85, 0.15)}


def planned() -> bool:
    """Whether imports are to be carried out in this run."""
    return bool(st.session_state.get(uploads.TODO))


def carry_out(states: Sequence[State], user: User, *, strict: bool) -> None:
    """Imports the planned files one after the other, then draws the page anew with their results.

    A run that is cut short leaves the plan in place: the next one goes on with what is missing.
    """
    todo: list[str] = st.session_state[uploads.TODO]
    chosen = sorted(
        (state for state in states if state["id"] in todo), key=lambda state: _ORDER.index(state["kind"])
    )
    refused = False
    with st.container(border=True, key="imports_progress"):
        st.caption(f":material/info: {t('imports.stay')}")
        for state in chosen:
            if not state.get("result"):
                refused |= not _one(state, user, strict=strict)
    st.session_state.pop(uploads.TODO, None)
    if not refused:
        frame.flash_and_rerun(t("imports.finished", count=len(chosen)))


def _one(state: State, user: User, *, strict: bool) -> bool:
    bar = st.progress(0.0, t("imports.step.reading", name=state["name"]))

    def show(step: str, done: int, total: int) -> None:
        begin, share = _SHARE[step]
        part = begin + share * (min(done / total, 1.0) if total else 1.0)
        figures = {"done": f"{min(done, total):,}" if total else done, "total": f"{total:,}"}
        bar.progress(part, t(f"imports.step.{step}", name=state["name"], **figures))

    report: runner.Report | None = None
    with uploads.file_boundary(state):
        report = _import(state, user, show, strict=strict)
        kept.save(state, result=report)
    bar.empty()
    return report is not None


def _import(state: State, user: User, show: Any, *, strict: bool) -> runner.Report:
    return uploads.run(state, user, calls.importer(show), strict=strict)
