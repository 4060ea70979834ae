"""What people want to change: submitted ones first in mind, each with its trial."""

from __future__ import annotations

import streamlit as st

from backend.compliance import reads
from backend.compliance.models import PROPOSAL_STATES, Proposal
from pages.shared import frame, widgets
from pages.shared.format import md
from pages.shared.frame import User
from pages.shared.i18n import plain, t
from pages.shared.words import dictionary_state, wording

COLORS = {"draft": "gray", "submitted": "orange", "approved": "green", "refused": "red", "withdrawn": "gray"}


def draw(user: User) -> None:
    """The proposals of a state."""
    given = st.query_params.get("state", "")
    usual = "submitted" if user.has("manager") else None
    st.session_state["dictionary_state"] = given if given in PROPOSAL_STATES else (None if given else usual)
    chosen = st.pills(
        t("proposals.states"),
        PROPOSAL_STATES,
        format_func=lambda code: wording.name_of("proposal", code),
        key="dictionary_state",
        on_change=_write,
        label_visibility="collapsed",
    )
    found = reads.proposals(frame.client(), chosen)
    if not found:
        widgets.empty_state(
            t("proposals.none"), t("proposals.none_hint"), icon=":material/edit_note:", key="proposals"
        )
        return
    for one in found[:100]:
        _card(one)


def _write() -> None:
    st.query_params["state"] = st.session_state.get("dictionary_state") or "all"


def badge(one: Proposal) -> str:
    """Markdown of a proposal's state."""
    return f":{COLORS.get(one.state, 'gray')}-badge[{md(wording.name_of('proposal', one.state))}]"


def trial_words(one: Proposal) -> str:
    """What the trial found, in one line."""
    trial = one.trial
    if not trial.state:
        return plain("proposals.untried")
    if trial.state == "done":
        return plain(
            "proposals.tried",
            texts=f"{trial.texts:,}",
            new=trial.new_count,
            released=trial.released_count,
            live=trial.live_blocked,
        )
    return wording.name_of("trial", trial.state)


def _card(one: Proposal) -> None:
    with (
        st.container(border=True, key=f"proposal_card_{one.id}"),
        st.container(horizontal=True, vertical_alignment="center", gap="small"),
    ):
        count = plain("proposals.items", count=one.item_count)
        facts = (one.author, frame.clock(one.submitted_at or one.created_at), count, trial_words(one))
        st.markdown(f"{badge(one)} **{md(one.title)}**  \n:gray[{md(' · '.join(facts))}]", width="stretch")
        if st.button(t("proposals.open"), key=f"proposal_open_{one.id}"):
            dictionary_state.open_proposal(one.id)
            st.rerun()
