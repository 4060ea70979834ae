"""Forms for a word and an exception. Saving makes a proposal: nothing holds before a manager approved it."""

from __future__ import annotations

from typing import Any, Literal

import streamlit as st

from backend.compliance import commands, reads
from backend.compliance.models import Operation, Proposal, Word, WordException
from backend.compliance.transfer import PLATFORMS
from backend.words.dictionary import CATEGORIES
from pages.shared import frame
from pages.shared.frame import User
from pages.shared.i18n import plain, t
from pages.shared.words import dictionary_state, wording

_WORD = ("category", "severity", "legal_basis", "suggestion", "platforms")
_MATCHES = ("exact", "prefix", "context")
_EFFECTS = ("clean", "warn", "need")
_PLACES = ("phrase", "head", "tail", "clause", "sentence", "category")


def word(user: User, found: Word | None) -> None:
    """The form of a word; `found` None: a new one."""
    key = f"dictionary_word_{found.id if found else 'new'}"
    with st.form(key, border=False):
        facts: dict[str, Any] = {}
        if found is None:
            facts["term"] = st.text_input(
                t("dictionary.column.term"), key=f"{key}_term", max_chars=60
            ).strip()
        with st.container(horizontal=True, gap="small"):
            facts["category"] = _choice("category", tuple(CATEGORIES), found.category if found else None, key)
            facts["severity"] = _choice(
                "severity", ("block", "warn"), found.severity if found else "block", key
            )
            facts["match_kind"] = _choice("match", _MATCHES, found.match_kind if found else "exact", key)
        for name, limit in (("legal_basis", 300), ("suggestion", 300)):
            facts[name] = st.text_input(
                t(f"dictionary.column.{name}"),
                value=getattr(found, name) if found else "",
                key=f"{key}_{name}",
                max_chars=limit,
            ).strip()
        facts["platforms"] = _platforms(list(found.platforms) if found else [], key)
        target, reason = _reason(user, key)
        sent, off = _buttons(found is None, bool(found and found.is_active), key)
    if found is None and sent and not facts["term"]:
        st.warning(t("dictionary.term_missing"), icon=":material/edit:")
        return
    if found is not None:
        before = found.model_dump() | {"platforms": list(found.platforms)}
        facts = {name: value for name, value in facts.items() if before[name] != value}
    _propose("word", found, facts, reason, target, sent=sent, off=off)


def exception(user: User, found: WordException | None) -> None:
    """The form of an exception; `found` None: a new one."""
    key = f"dictionary_exception_{found.id if found else 'new'}"
    with st.form(key, border=False):
        facts: dict[str, Any] = {}
        terms = st.text_input(
            t("dictionary.column.terms"),
            value=plain("common.listed").join(found.terms) if found else "",
            key=f"{key}_terms",
            help=t("dictionary.terms_help"),
        )
        facts["terms"] = [part.strip() for part in terms.replace("、", ",").split(",") if part.strip()]
        with st.container(horizontal=True, gap="small"):
            facts["effect"] = _choice("effect", _EFFECTS, found.effect if found else "clean", key)
            facts["place"] = _choice("place", _PLACES, (found.place or "phrase") if found else "phrase", key)
        facts["pattern"] = st.text_input(
            t("dictionary.column.pattern"),
            value=found.pattern if found else "",
            key=f"{key}_pattern",
            help=t("dictionary.pattern_help"),
            max_chars=4000,
        ).strip()
        facts["note"] = st.text_input(
            t("dictionary.column.note"), value=found.note if found else "", key=f"{key}_note", max_chars=300
        ).strip()
        facts["platforms"] = _platforms(list(found.platforms) if found else [], key)
        target, reason = _reason(user, key)
        sent, off = _buttons(found is None, bool(found and found.is_active), key)
    if sent and (not facts["terms"] or not facts["pattern"]):
        st.warning(t("dictionary.exception_missing"), icon=":material/edit:")
        return
    if found is not None:
        before = found.model_dump() | {
            "terms": list(found.terms),
            "platforms": list(found.platforms),
            "place": found.place or "phrase",
        }
        facts = {name: value for name, value in facts.items() if before[name] != value}
    _propose("exception", found, facts, reason, target, sent=sent, off=off)


def _choice(name: str, options: tuple[str, ...], value: str | None, key: str) -> str:
    index = options.index(value) if value in options else 0
    return st.selectbox(
        t(f"dictionary.field.{name}"),
        options,
        index=index,
        format_func=lambda code: wording.name_of(name, code),
        key=f"{key}_{name}",
        width=200,
    )


def _platforms(value: list[str], key: str) -> list[str]:
    return st.multiselect(
        t("dictionary.column.platforms"),
        PLATFORMS,
        default=[code for code in value if code in PLATFORMS],
        format_func=lambda code: plain(f"platform.{code}"),
        placeholder=plain("dictionary.everywhere"),
        key=f"{key}_platforms",
        help=t("dictionary.platforms_help"),
    )


def _reason(user: User, key: str) -> tuple[Proposal | None, str]:
    """Why, and whether it joins a proposal of mine that is not submitted yet."""
    reason = st.text_input(
        t("dictionary.reason"), key=f"{key}_reason", max_chars=300, help=t("dictionary.reason_help")
    ).strip()
    drafts = {one.id: one for one in reads.proposals(frame.client(), "draft") if one.created_by == user.id}
    chosen = None
    if drafts:
        chosen = st.selectbox(
            t("dictionary.into"),
            list(drafts),
            index=None,
            placeholder=plain("dictionary.into_new"),
            format_func=lambda number: f"{number} · {drafts[number].title}",
            key=f"{key}_into",
        )
    return drafts.get(chosen) if chosen else None, reason


def _buttons(new: bool, is_active: bool, key: str) -> tuple[bool, bool]:
    with st.container(horizontal=True, gap="small"):
        label = t("dictionary.propose_new" if new else "dictionary.propose")
        sent = st.form_submit_button(label, type="primary", key=f"{key}_send")
        off = is_active and st.form_submit_button(
            t("dictionary.propose_off"), key=f"{key}_off", icon=":material/block:"
        )
    st.caption(t("dictionary.propose_effect"))
    return sent, off


def _propose(
    target: Literal["word", "exception"],
    found: Word | WordException | None,
    facts: dict[str, Any],
    reason: str,
    into: Proposal | None,
    *,
    sent: bool,
    off: bool,
) -> None:
    if not sent and not off:
        return
    if not reason:
        st.warning(t("dictionary.reason_missing"), icon=":material/edit:")
        return
    comes_back = found is not None and not found.is_active
    if sent and found is not None and not facts and not comes_back:
        st.info(t("dictionary.unchanged"), icon=":material/info:")
        return
    if off and found is not None:
        one = Operation(target, "disable", reason, {}, found.id)
    elif found is not None:
        one = Operation(target, "change", reason, facts, found.id)
    else:
        one = Operation(target, "add", reason, facts)
    with frame.boundary():
        _save(one, _title(one, found), into)


def _title(one: Operation, found: Word | WordException | None) -> str:
    terms = (
        getattr(found, "terms", None)
        or one.facts.get("terms")
        or [getattr(found, "term", "") or one.facts.get("term", "")]
    )
    return plain(f"dictionary.title_of.{one.action}", term=plain("common.listed").join(terms)[:60])


def _save(one: Operation, title: str, into: Proposal | None) -> None:
    operations = [one]
    if into is not None:
        full = reads.proposal(frame.client(), into.id)
        items = full.items if full else ()
        operations = [*(Operation(i.target, i.action, i.reason, i.facts, i.id) for i in items), one]
    number, _ = commands.propose(
        frame.client(),
        into.title if into else title,
        operations,
        proposal_id=into.id if into else None,
        version=into.version if into else None,
        request_id=frame.request_id("dictionary_propose", one, into.id if into else None),
    )
    dictionary_state.open_proposal(number)
    frame.flash_and_rerun(t("dictionary.proposed"))
