"""文本: paste or type, the verdict follows; take the proposals, compare, copy."""

from __future__ import annotations

from functools import partial

import streamlit as st

from backend import compliance
from backend.compliance.checking import MOST
from backend.words import Hit, Result, rewrite
from pages.shared import frame, session, widgets
from pages.shared.frame import User
from pages.shared.i18n import plain, t
from pages.shared.words import editor, exemptions, hits, setting, wording

FIELD = "words_text"
_BEFORE = "words_before"


def draw(user: User) -> None:
    """The tab; typing runs this alone."""
    setting.draw(user)
    st.fragment(_body, key="words_text_body")(user)


def _body(user: User) -> None:
    editor.start(FIELD, "")
    with frame.boundary():
        result = _look(editor.text(FIELD))
        if session.width() == "narrow":
            _text(result, height=120)
            _verdict(user, result)
            _compare(result)
        else:
            left, right = st.columns([11, 9], gap="medium")
            with left:
                _text(result, height=230)
                _compare(result)
            with right:
                _verdict(user, result)
        if result is None:
            _look("-")  # the dictionary is compiled while the person reads, not while he types


def _look(text: str) -> Result | None:
    """The judgement of what stands in the field; None while it is empty."""
    if not text.strip():
        return None
    return compliance.look(
        frame.service().rpc,
        text,
        kind=setting.kind(),
        platform=setting.platform(),
        category=setting.category(),
        licences=setting.licences(),
    )


def _text(result: Result | None, *, height: int) -> None:
    found = result.hits if result else ()
    editor.draw(
        FIELD,
        label=plain("words.original"),
        hits=wording.spans(found),
        placeholder=plain("words.placeholder"),
        count=plain("words.signs", count="{count}", most=f"{MOST:,}"),
        most=MOST,
        height=height,
    )
    text = editor.text(FIELD)
    rewritten = rewrite(text, result.hits) if result else text
    with st.container(horizontal=True, gap="small", key="words_actions"):
        st.button(
            t("words.adopt_all"),
            type="primary",
            icon=":material/done_all:",
            key="words_adopt_all",
            disabled=rewritten in (text, ""),
            on_click=_adopt_all,
            args=(text, rewritten),
        )
        if text.strip():
            if rewritten:
                widgets.copy_button(rewritten, key="words_copy", label=t("words.copy_rewritten"))
            st.button(t("words.clear"), type="tertiary", key="words_clear", on_click=_clear, args=(text,))
        before = st.session_state.get(_BEFORE)
        if before and before != text:
            st.button(
                t("words.restore"),
                type="tertiary",
                icon=":material/undo:",
                key="words_restore",
                on_click=_restore,
                args=(before,),
            )


def _compare(result: Result | None) -> None:
    """Before and after, one under the other."""
    if result is None:
        return
    text = editor.text(FIELD)
    rewritten = rewrite(text, result.hits)
    before = st.session_state.get(_BEFORE)
    if rewritten == text and not before:
        return
    with st.container(border=True, gap="xsmall", key="words_compare"):
        if rewritten != text:
            st.caption(t("words.before"))
            st.markdown(wording.marked(text, wording.spans(result.hits)))
            st.caption(t("words.after"))
            if rewritten:
                st.markdown(wording.lines(rewritten))
            else:
                st.markdown(f":material/edit_note: {t('words.nothing_left')}")
        elif before != text:
            st.caption(t("words.before"))
            st.markdown(f":gray[{wording.lines(before)}]" if "\n" not in before else wording.lines(before))
            st.caption(t("words.after"))
            st.markdown(wording.lines(text))


def _verdict(user: User, result: Result | None) -> None:
    if result is None:
        widgets.empty_state(
            t("words.empty"), t("words.empty_hint"), icon=":material/spellcheck:", key="words"
        )
        return
    st.markdown(f"{t('words.verdict_is')} {hits.headline(result)}")
    if result.verdict == "clean":
        st.caption(t("words.clean_hint"))
    extra = partial(_evidence, user) if user.has("operations", "manager") else None
    hits.cards(result, field=FIELD, extra=extra, key="words_hit")


def _evidence(user: User, hit: Hit, key: str) -> None:
    """The way to an exemption; only where evidence can allow the word."""
    if hit.evidence and exemptions.possible(hit.category):
        exemptions.ask_button(hit.term, key=f"{key}_evidence")


def _adopt_all(text: str, rewritten: str) -> None:
    st.session_state[_BEFORE] = text
    editor.put(FIELD, rewritten)


def _restore(before: str) -> None:
    st.session_state.pop(_BEFORE, None)
    editor.put(FIELD, before)


def _clear(text: str) -> None:
    st.session_state[_BEFORE] = text
    editor.put(FIELD, "")
