"""Versions of the dictionary: what each added, changed and disabled, by whom, and the difference."""

from __future__ import annotations

from typing import Any

import streamlit as st

from backend.compliance import reads
from pages.shared import frame, widgets
from pages.shared.format import md
from pages.shared.i18n import plain, t
from pages.shared.words import dictionary_state

_FIGURES = ("words_added", "words_changed", "words_disabled", "exceptions_changed")


def draw() -> None:
    """Newest first; a version that people made opens its proposal, which is the difference."""
    found = reads.versions(frame.client())
    if not found:
        widgets.empty_state(
            t("dictionary.no_version"),
            t("dictionary.no_version_hint"),
            icon=":material/history:",
            key="versions",
        )
        return
    for one in found:
        _card(one)


def _card(one: dict[str, Any]) -> None:
    with (
        st.container(border=True, key=f"dictionary_version_{one['id']}"),
        st.container(horizontal=True, vertical_alignment="center", gap="small"),
    ):
        facts = [frame.clock(one["made_at"])]
        facts += [plain(f"dictionary.figure.{name}", count=one[name]) for name in _FIGURES if one.get(name)]
        who = plain("dictionary.approved") if one.get("proposal_id") else plain("dictionary.with_program")
        head = t("dictionary.version", version=one["id"])
        st.markdown(f"**{head}** · {md(who)}  \n:gray[{md(' · '.join(facts))}]", width="stretch")
        if one.get("proposal_id") and st.button(
            t("proposals.difference"), key=f"dictionary_version_open_{one['id']}"
        ):
            dictionary_state.open_proposal(int(one["proposal_id"]))
            st.rerun()
