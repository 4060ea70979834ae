"""Words of the pages in two languages.

`pages/shared/locales/<area>.json` holds `{"area.key": {"zh-CN": "…{name}…", "en": "…"}}`. `t()` is for what
Streamlit renders (labels, captions, alerts): it escapes the parameters, so that no name becomes markup.
`plain()` is for what is not rendered as Markdown: table cells, files, page titles, placeholders.
"""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import streamlit as st

from backend import errors
from backend.errors import AppError
from pages.shared import format as fmt
from pages.shared.format import md

LANGUAGES = {"zh-CN": "中文", "en": "English"}  # each language under its own name
DEFAULT = "zh-CN"
_LOCALES = Path(__file__).with_name("locales")
_STATE = "desk_locale"
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d.*(Z|[+-]\d\d(:?\d\d)?)$")


@cache
def catalogue() -> dict[str, dict[str, str]]:
    """All sentences by key and language; a key defined twice is a programming error."""
    merged: dict[str, dict[str, str]] = {}
    for path in sorted(_LOCALES.glob("*.json")):
        for key, sentences in json.loads(path.read_text("utf-8")).items():
            if key in merged:
                raise ValueError(f"locale key {key} is defined twice, again in {path.name}")
            merged[key] = sentences
    return merged


def locale() -> str:
    """The language of this run: the member's own, or what was chosen on the sign-in page."""
    chosen = st.session_state.get(_STATE, DEFAULT)
    return chosen if chosen in LANGUAGES else DEFAULT


def use_locale(name: str) -> None:
    """Draws this browser tab in a language from now on; an unknown one means Chinese."""
    st.session_state[_STATE] = name if name in LANGUAGES else DEFAULT


def t(key: str, **params: Any) -> str:
    """The sentence of `key` for Markdown: text parameters are escaped, numbers are put in as they are."""
    escaped = {name: md(value) if isinstance(value, str) else value for name, value in params.items()}
    return catalogue()[key][locale()].format(**escaped)


def plain(key: str, **params: Any) -> str:
    """The sentence of `key` for places that show text as it is: table cells, files, titles, placeholders."""
    return catalogue()[key][locale()].format(**params)


def known(key: str) -> bool:
    """Whether a key exists: for codes that may be newer than this page (statuses, kinds)."""
    return key in catalogue()


def refusal(error: AppError) -> str:
    """The sentence of a refusal for Markdown, in this run's language."""
    said = {name: _timed(value) for name, value in error.params.items()}
    escaped = {name: md(value) if isinstance(value, str) else value for name, value in said.items()}
    return errors.message(error.key, locale(), **escaped)


def _timed(value: Any) -> Any:
    """An instant of the API as people read it, in the zone of the person; anything else as it is."""
    if not isinstance(value, str) or not _INSTANT.match(value):
        return value
    user = st.session_state.get("desk_user")
    return fmt.clock_time(value, zone=user.zone if user else fmt.DEFAULT_ZONE, lang=locale())
