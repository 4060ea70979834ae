"""What a text is for: product category, kind of text, platform, licences. The address holds it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, cast

import streamlit as st

from backend.compliance.transfer import PLATFORMS
from backend.words import CATEGORIES, KINDS, Category, Kind
from pages.shared import widgets
from pages.shared.frame import User
from pages.shared.i18n import plain, t
from pages.shared.words import wording

_NAMES = ("category", "kind", "platform", "licences")
_SPLIT = re.compile(r"[；;，,\n]+")


def sync() -> None:
    """Brings the widgets in line with the address, which alone says what holds, without nonsense."""
    given = {name: st.query_params.get(name, "") for name in _NAMES}
    values: dict[str, Any] = {
        "category": given["category"] if given["category"] in CATEGORIES else "general",
        "kind": given["kind"] if given["kind"] in KINDS else "description",
        "platform": given["platform"] if given["platform"] in PLATFORMS else None,
        "licences": given["licences"][:300],
    }
    for name, value in values.items():
        st.session_state[f"words_{name}"] = value


def draw(user: User) -> None:
    """The row above the text."""
    with widgets.filter_row("words"):
        _select("category", CATEGORIES, lambda code: wording.name_of("product", code))
        _select("kind", KINDS, lambda code: wording.name_of("kind", code))
        st.selectbox(
            t("words.platform"),
            platforms(user),
            index=None,
            placeholder=plain("words.any_platform"),
            format_func=lambda code: plain(f"platform.{code}"),
            key="words_platform",
            on_change=_write,
            width=150,
        )
        st.text_input(
            t("words.licences"),
            key="words_licences",
            placeholder=plain("words.licences_example"),
            help=t("words.licences_help"),
            max_chars=300,
            on_change=_write,
            width=300,
        )


def category() -> Category:
    """The product category that is chosen."""
    return cast(Category, st.session_state.get("words_category", "general"))


def kind() -> Kind:
    """The kind of text that is chosen."""
    return cast(Kind, st.session_state.get("words_kind", "description"))


def platform() -> str | None:
    """The platform whose words count; None: those of all platforms."""
    return cast("str | None", st.session_state.get("words_platform"))


def licences() -> tuple[str, ...]:
    """The licences as "type:number"."""
    return split(str(st.session_state.get("words_licences", "")))


def split(text: str) -> tuple[str, ...]:
    """Licences out of a line: "a:1；b:2"."""
    return tuple(part.strip().replace("：", ":") for part in _SPLIT.split(text) if part.strip())


def platforms(user: User) -> list[str]:
    """Platforms to choose from, those of the person's shops first."""
    mine = dict.fromkeys(shop.platform for shop in user.shops)
    return [*mine, *(code for code in PLATFORMS if code not in mine)]


def _select(name: str, options: Sequence[str], words: Any) -> None:
    st.selectbox(
        t(f"words.{name}"), options, format_func=words, key=f"words_{name}", on_change=_write, width=150
    )


def _write() -> None:
    fallback = {"category": "general", "kind": "description", "platform": None, "licences": ""}
    for name in _NAMES:
        value = st.session_state.get(f"words_{name}")
        if value in (None, fallback[name]):
            st.query_params.pop(name, None)
        else:
            st.query_params[name] = str(value)
