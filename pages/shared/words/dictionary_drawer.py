"""The drawer of a word or an exception: facts, exceptions to it, past, and the form for a change."""

from __future__ import annotations

from typing import Any

import streamlit as st

from backend.compliance import reads
from backend.compliance.models import Word, WordException, WordState
from pages.shared import frame
from pages.shared.format import md
from pages.shared.frame import User
from pages.shared.i18n import plain, t
from pages.shared.words import dictionary_form, dictionary_list, dictionary_state, wording


def draw(user: User) -> None:
    """Opens what the address names."""
    term, new = dictionary_state.given("word"), dictionary_state.given("new")
    exception_id = dictionary_state.number("exception")
    if new in ("word", "exception") and user.has("operations", "manager"):
        _show(
            t(f"dictionary.new_{new}"),
            dictionary_form.word if new == "word" else dictionary_form.exception,
            user,
            None,
        )
    elif term:
        _show(plain("dictionary.drawer"), _word, user, term[:60])
    elif exception_id is not None:
        _show(plain("dictionary.drawer_exception"), _exception, user, exception_id)


def _show(title: str, body: Any, user: User, what: Any) -> None:
    opener = st.dialog(
        title,
        width="medium",
        position="right",
        icon=":material/menu_book:",
        on_dismiss=dictionary_state.close,
    )
    opener(_guarded)(body, user, what)


def _guarded(body: Any, user: User, what: Any) -> None:
    with frame.boundary():
        body(user, what)


def _word(user: User, term: str) -> None:
    found = next(
        (word for word in reads.words(frame.client(), q=term, limit=500).rows if word.term == term), None
    )
    if found is None:
        st.warning(t("dictionary.not_found"), icon=":material/search_off:")
        return
    _facts(found)
    rules = reads.exceptions(frame.client(), term)
    if rules:
        with st.expander(t("dictionary.exceptions_of", count=len(rules)), icon=":material/rule:"):
            for rule in rules:
                words = (
                    wording.name_of("effect", rule.effect),
                    wording.name_of("place", rule.place or "phrase"),
                    rule.pattern,
                )
                st.markdown(md(" · ".join(words)))
    with st.expander(t("dictionary.history"), icon=":material/history:"):
        for state in reads.word_history(frame.client(), term):
            st.caption(md(_told(state)))
    if user.has("operations", "manager"):
        st.markdown(f"**{t('dictionary.change')}**")
        dictionary_form.word(user, found)


def _facts(word: Word) -> None:
    badge = f"{wording.severity_mark(word.severity)} **{md(word.term)}**"
    off = "" if word.is_active else f" :gray-badge[{md(wording.name_of('active', 'no'))}]"
    facts = (
        wording.name_of("category", word.category),
        wording.name_of("severity", word.severity),
        dictionary_list.platforms_of(word.platforms),
        wording.name_of("origin", word.origin),
    )
    st.markdown(f"{badge}{off} · {md(' · '.join(facts))}")
    for name in ("legal_basis", "suggestion", "context", "exceptions", "reason"):
        value = getattr(word, name)
        if value:
            st.markdown(f":gray[{t(f'dictionary.column.{name}')}] {md(value)}")


def _told(state: WordState) -> str:
    parts = (
        frame.clock(state.at),
        plain("dictionary.in_version", version=state.from_version),
        wording.name_of("severity", state.severity),
        wording.name_of("active", "yes" if state.is_active else "no"),
        state.reason,
        plain("dictionary.by", who=state.proposed_by or "", approver=state.approved_by)
        if state.approved_by
        else wording.name_of("origin", state.origin),
    )
    return " · ".join(part for part in parts if part)


def _exception(user: User, number: int) -> None:
    found = next((one for one in reads.exceptions(frame.client()) if one.id == number), None)
    if found is None:
        st.warning(t("dictionary.not_found"), icon=":material/search_off:")
        return
    _rule(found)
    if user.has("operations", "manager"):
        st.markdown(f"**{t('dictionary.change')}**")
        dictionary_form.exception(user, found)


def _rule(found: WordException) -> None:
    words = (wording.name_of("effect", found.effect), wording.name_of("place", found.place or "phrase"))
    st.markdown(f"**{md(plain('common.listed').join(found.terms))}** · {md(' · '.join(words))}")
    st.markdown(f":gray[{t('dictionary.column.pattern')}] {md(found.pattern)}")
    for name in ("note", "reason"):
        value = getattr(found, name)
        if value:
            st.markdown(f":gray[{t(f'dictionary.column.{name}')}] {md(value)}")
