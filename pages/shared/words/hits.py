"""The findings beside a text: what, by which law, what would allow it, what to write instead."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import streamlit as st

from backend.words import Hit, Result
from pages.shared.format import md
from pages.shared.i18n import plain, t
from pages.shared.words import editor, wording

_SHOWN = 40
Extra = Callable[[Hit, str], None]
"""Draws what else can be done about a hit; gets the hit and a key."""


def headline(result: Result) -> str:
    """Markdown of the verdict and its counts."""
    block = sum(hit.severity == "block" for hit in result.hits)
    counts = wording.count_words(block, len(result.hits) - block + len(result.notices))
    badge = wording.verdict_badge(result.verdict)
    return f"{badge} {counts}" if counts else badge


def cards(result: Result, *, field: str | None, extra: Extra | None = None, key: str) -> None:
    """One card for each hit. With `field` (an editor) each has its 采用."""
    for n, hit in enumerate(result.hits[:_SHOWN]):
        _card(hit, field=field, extra=extra, key=f"{key}_{n}")
    if len(result.hits) > _SHOWN:
        st.caption(t("words.more_hits", count=len(result.hits) - _SHOWN))
    for notice in result.notices:
        with st.container(border=True, gap="xxsmall"):
            st.markdown(f"{wording.severity_mark('warn')} **{md(notice.text)}**")
            st.caption(md(notice.legal_basis))


def _card(hit: Hit, *, field: str | None, extra: Extra | None, key: str) -> None:
    with st.container(border=True, gap="xxsmall", key=key):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            category = wording.name_of("category", hit.category)
            mark = wording.severity_mark(hit.severity)
            severity = wording.name_of("severity", hit.severity)
            st.markdown(f"{mark} **{md(hit.term)}** · {md(category)} · {md(severity)}", width="stretch")
            if field and hit.replacement is not None:
                st.button(
                    _adopt_label(hit.replacement),
                    key=f"{key}_adopt",
                    icon=":material/done:",
                    on_click=_adopt,
                    args=(field, hit),
                )
        st.caption(" · ".join(md(fact) for fact in _facts(hit)))
        grounds(hit)
        if extra:
            extra(hit, key)


def grounds(hit: Hit) -> None:
    """What to write instead, what decides whether it may stay, and the evidence for that."""
    found = {"suggestion": hit.suggestion, "question": hit.exemption, "evidence": hit.evidence}
    for name, value in found.items():
        if value:
            st.markdown(f":gray[{t(f'words.hit.{name}')}] {md(value)}")


def _facts(hit: Hit) -> Sequence[str]:
    written = plain("words.written_as", text=hit.text.replace("\n", " ")[:40]) if hit.disguised else ""
    return [fact for fact in (hit.legal_basis, written) if fact]


def _adopt_label(replacement: str) -> str:
    return t("words.adopt", text=replacement) if replacement else t("words.adopt_delete")


def _adopt(field: str, hit: Hit) -> None:
    """Puts the proposed wording in the place of a hit, if the text there is still the one that was judged."""
    text = editor.text(field)
    if hit.replacement is not None and text[hit.start : hit.end] == hit.text:
        editor.put(field, text[: hit.start] + hit.replacement + text[hit.end :])
