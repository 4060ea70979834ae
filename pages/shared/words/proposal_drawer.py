"""The drawer of a proposal: the difference, the trial on the stored texts, submission and decision."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from backend.compliance import commands, reads
from backend.compliance.models import Operation, Proposal, ProposalItem
from pages.shared import frame
from pages.shared.format import md
from pages.shared.frame import User
from pages.shared.i18n import known, plain, t
from pages.shared.words import dictionary_list, dictionary_state, goods_tab, proposal_list, wording

_REFRESH = 2
_ITEMS = 100
_CODES = {
    "severity": "severity",
    "category": "category",
    "effect": "effect",
    "place": "place",
    "match_kind": "match",
}


def opened() -> int | None:
    """The proposal that the address names."""
    return dictionary_state.number("proposal")


def draw(user: User) -> None:
    """Opens the drawer."""
    opener = st.dialog(
        t("proposals.drawer"),
        width="medium",
        position="right",
        icon=":material/edit_note:",
        on_dismiss=dictionary_state.close,
    )
    opener(_body)(user)


def _body(user: User) -> None:
    number = opened()
    if number is None:
        return
    with frame.boundary():
        found = reads.proposal(frame.client(), number)
        if found is None:
            st.warning(t("proposals.not_found"), icon=":material/search_off:")
            return
        _head(found)
        st.markdown(f"**{t('proposals.difference')}**")
        for item in found.items[:_ITEMS]:
            _item(user, found, item)
        if len(found.items) > _ITEMS:
            st.caption(t("proposals.more_items", count=len(found.items) - _ITEMS))
        busy = found.trial.state in ("waiting", "running")
        st.fragment(_trial, run_every=_REFRESH if busy else None, key=f"proposal_trial_{found.id}")(
            user, number, busy
        )
        _author(user, found)
        _decision(user, found)


def _head(found: Proposal) -> None:
    st.markdown(f"{proposal_list.badge(found)} **{md(found.title)}**")
    facts = [found.author, frame.clock(found.created_at)]
    if found.decided_by:
        facts += [plain("proposals.decided_by", who=found.decided_by), frame.clock(found.decided_at)]
    if found.made_version:
        facts.append(plain("dictionary.in_version", version=found.made_version))
    st.caption(" · ".join(md(fact) for fact in facts))
    if found.decision_note:
        st.markdown(f":gray[{t('words.note')}] {md(found.decision_note)}")


def _item(user: User, found: Proposal, item: ProposalItem) -> None:
    before = item.before or {}
    name = (
        item.facts.get("term")
        or before.get("term")
        or plain("common.listed").join(item.facts.get("terms") or before.get("terms") or [])
    )
    with st.container(border=True, gap="xxsmall", key=f"proposal_{found.id}_item_{item.n}"):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            what = (wording.name_of("target", item.target), wording.name_of("action", item.action))
            st.markdown(f"**{md(name)}** · {md(' · '.join(what))}", width="stretch")
            mine = found.state == "draft" and found.created_by == user.id and len(found.items) > 1
            if mine and st.button(
                "",
                key=f"proposal_{found.id}_drop_{item.n}",
                icon=":material/delete:",
                type="tertiary",
                help=t("proposals.drop"),
            ):
                _drop(found, item)
        for field, value in item.facts.items():
            if field in ("term", "terms") and item.action == "add":
                continue
            st.markdown(_change(field, before, value))
        st.caption(t("proposals.because", reason=item.reason))


def _change(field: str, before: Mapping[str, Any], value: Any) -> str:
    """Markdown of one column: `严重程度：~~需举证~~ → 不可发布`."""
    label = t(f"dictionary.column.{field}") if known(f"dictionary.column.{field}") else md(field)
    now = md(_shown(field, value))
    if not before:
        return f":gray[{label}] {now}"
    was = md(_shown(field, before.get(field)))
    return (
        f":gray[{label}] :red[~~{was}~~] → :green[{now or '—'}]" if was else f":gray[{label}] :green[{now}]"
    )


def _shown(field: str, value: Any) -> str:
    if field == "platforms":
        return dictionary_list.platforms_of(value or [])
    if isinstance(value, list):
        return plain("common.listed").join(str(part) for part in value)
    text = str(value if value is not None else "")
    return wording.name_of(_CODES[field], text) if field in _CODES and text else text


def _drop(found: Proposal, item: ProposalItem) -> None:
    rest = [Operation(i.target, i.action, i.reason, i.facts, i.id) for i in found.items if i.n != item.n]
    with frame.boundary():
        commands.propose(
            frame.client(),
            found.title,
            rest,
            proposal_id=found.id,
            version=found.version,
            request_id=frame.request_id("proposal_drop", found.id, found.version, item.n),
        )
        frame.flash_and_rerun(t("proposals.dropped"))


def _trial(user: User, number: int, was_busy: bool) -> None:
    """What the change would do to the stored texts; renews itself while the worker reads them."""
    with frame.boundary():
        found = reads.proposal(frame.client(), number)
        if found is None:
            return
        if was_busy and found.trial.state not in ("waiting", "running"):
            st.rerun()
        st.markdown(f"**{t('proposals.trial')}**", help=t("proposals.trial_help"))
        if found.trial.state in ("waiting", "running"):
            words = t("proposals.trying", done=f"{found.trial.done:,}")
            st.caption(f":material/progress_activity: {words}")
        elif found.trial.state == "failed":
            st.error(t("proposals.trial_failed", error=found.trial.error or ""), icon=":material/error:")
        else:
            st.markdown(md(proposal_list.trial_words(found)))
        if found.trial.state == "done":
            _samples(found.trial.new, "proposals.new")
            _samples(found.trial.released, "proposals.released")
            if found.trial.live_blocked:
                st.warning(
                    t("proposals.live_blocked", count=found.trial.live_blocked), icon=":material/storefront:"
                )
        _try_button(user, found)


def _samples(rows: Sequence[Mapping[str, Any]], key: str) -> None:
    if not rows:
        return
    with st.expander(t(key, count=len(rows)), icon=":material/list:"):
        goods_tab.table(
            [
                {
                    "term": str(row["term"]),
                    "severity": wording.name_of("severity", str(row["severity"])),
                    "part": wording.name_of("part", str(row["part"])),
                    "listing": f"{row['listing_id']}",
                    "live": plain("words.live.yes" if row["is_live"] else "words.live.no"),
                }
                for row in rows[:200]
            ],
            "proposals.trial",
        )


def _try_button(user: User, found: Proposal) -> None:
    if found.state not in ("draft", "submitted") or not user.has("operations", "manager"):
        return
    if found.trial.state in ("waiting", "running"):
        return
    label = "proposals.try_again" if found.is_tried else "proposals.try"
    if st.button(
        t(label),
        key=f"proposal_try_{found.id}",
        icon=":material/science:",
        type="secondary" if found.is_tried else "primary",
    ):
        asked = frame.request_id("proposal_try", found.id, found.version)
        commands.try_proposal(frame.client(), found.id, found.version, request_id=asked)
        frame.flash_and_rerun(t("proposals.try_started"))


def _author(user: User, found: Proposal) -> None:
    if found.created_by != user.id or found.state not in ("draft", "submitted"):
        return
    with st.container(horizontal=True, gap="small"):
        if found.state == "draft" and st.button(
            t("proposals.submit"),
            key=f"proposal_submit_{found.id}",
            type="primary" if found.is_tried else "secondary",
            icon=":material/send:",
            disabled=not found.is_tried,
            help=None if found.is_tried else t("proposals.submit_first"),
        ):
            asked = frame.request_id("proposal_submit", found.id, found.version)
            commands.submit_proposal(frame.client(), found.id, found.version, request_id=asked)
            frame.flash_and_rerun(t("proposals.submitted"))
        if st.button(t("proposals.withdraw"), key=f"proposal_withdraw_{found.id}", type="tertiary"):
            asked = frame.request_id("proposal_withdraw", found.id, found.version)
            commands.withdraw_proposal(frame.client(), found.id, found.version, request_id=asked)
            frame.flash_and_rerun(t("proposals.withdrawn"))
    if found.state == "submitted":
        st.caption(t("proposals.waits"))


def _decision(user: User, found: Proposal) -> None:
    if not found.can_decide:
        return
    with st.container(border=True, gap="small", key=f"proposal_decision_{found.id}"):
        note = st.text_input(t("words.note"), key=f"proposal_note_{found.id}", max_chars=300).strip()
        with st.container(horizontal=True, gap="small"):
            label = t("proposals.approve", count=found.item_count)
            if st.button(
                label,
                type="primary",
                key=f"proposal_approve_{found.id}",
                icon=":material/check:",
                disabled=not found.is_tried,
            ):
                _decide(found, True, note)
            if st.button(t("proposals.refuse"), key=f"proposal_refuse_{found.id}", disabled=not note):
                _decide(found, False, note)
        st.caption(t("proposals.approve_effect" if found.is_tried else "proposals.submit_first"))


def _decide(found: Proposal, approve: bool, note: str) -> None:
    asked = frame.request_id("proposal_decide", found.id, found.version, approve, note)
    version = commands.decide_proposal(
        frame.client(), found.id, found.version, approve, note=note, request_id=asked
    )
    frame.flash_and_rerun(t("proposals.approved", version=version) if version else t("proposals.refused"))
