"""Words in address or remarks that suggest brushing, forwarding, a test or an order that must not
ship.

The words are data of a shop (`default_params()` is what a new rule starts with). The contexts in
which a word is harmless (真空包装, 放单元门口, 测试大厦) belong to the word: data/suspicious.json.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from typing import Any

from backend.checks.models import Finding
from backend.checks.text import tidy

# Signs that people put between the characters of a word to slip past a filter.
_GAPS = re.compile(r"(?<=[\u4e00-\u9fff])[\s\-_.·*+~|/\\、,，。]+(?=[\u4e00-\u9fff])")
_MAX_WORD = 40


@dataclass(frozen=True, slots=True)
class Hit:
    """One word found; `start` is its position in the searched text."""

    word: str
    where: str
    start: int


@dataclass(frozen=True, slots=True)
class _Rules:
    keywords: tuple[str, ...]
    allow: tuple[str, ...]
    any_allowed: re.Pattern[str]  # one pass over the text decides whether a closer look is due
    any_word: re.Pattern[str]
    patterns: tuple[tuple[str, re.Pattern[str]], ...]


@lru_cache(maxsize=1)
def _data() -> dict[str, Any]:
    text = resources.files("backend.checks").joinpath("data/suspicious.json").read_text("utf-8")
    data: dict[str, Any] = json.loads(text)
    return data


def default_params() -> dict[str, list[str]]:
    """Parameters of a new rule: `keywords` (plain words) and `allow` (phrases that never count)."""
    return {"keywords": list(_data()["keywords"]), "allow": list(_data()["allow"])}


def check(
    address: str | None, remarks: Sequence[str | None], params: Mapping[str, Any] | None = None
) -> Finding | None:
    """The first suspicious word, the address before the remarks; None when there is none."""
    hits = find(address, "address", params)
    for remark in remarks:
        hits = hits or find(remark, "remark", params)
    return Finding("suspicious", {"word": hits[0].word, "where": hits[0].where}) if hits else None


def find(text: str | None, where: str, params: Mapping[str, Any] | None = None) -> list[Hit]:
    """All suspicious words of one text in order of their place; `params` as in default_params()."""
    value = _GAPS.sub("", tidy(text)).lower()
    if not value:
        return []
    chosen = params or {}
    rules = _rules(_frozen(chosen.get("keywords")), _frozen(chosen.get("allow")))
    for phrase in rules.allow if rules.any_allowed.search(value) else ():
        value = value.replace(phrase, "\x00" * len(phrase))
    words = rules.keywords if rules.any_word.search(value) else ()
    hits = [Hit(word, where, match.start()) for word in words for match in _matches(word, value)]
    hits += [
        Hit(word, where, match.start()) for word, rule in rules.patterns for match in rule.finditer(value)
    ]
    return sorted(hits, key=lambda hit: (hit.start, -len(hit.word)))


def _frozen(values: Any) -> tuple[str, ...] | None:
    return None if values is None else tuple(str(value) for value in values)


@lru_cache(maxsize=256)
def _rules(keywords: tuple[str, ...] | None, allow: tuple[str, ...] | None) -> _Rules:
    """Words of one shop, made ready once; the patterns apply as long as any default word does."""
    default = _data()
    words = _tidied(default["keywords"] if keywords is None else keywords)
    phrases = _tidied(default["allow"] if allow is None else allow)
    patterns = default["patterns"].items() if set(words) & set(default["keywords"]) else ()
    allowed = tuple(phrase.lower() for phrase in phrases)
    return _Rules(
        keywords=words,
        allow=allowed,
        any_allowed=_any_of(allowed),
        any_word=_any_of([word.lower() for word in words]),
        patterns=tuple((word, re.compile(rule)) for word, rule in patterns),
    )


def _any_of(words: Sequence[str]) -> re.Pattern[str]:
    return re.compile("|".join(map(re.escape, words)) or r"(?!)")


def _tidied(values: Sequence[str]) -> tuple[str, ...]:
    return tuple(word for word in (tidy(value)[:_MAX_WORD] for value in values) if word)


def _matches(word: str, text: str) -> list[re.Match[str]]:
    pattern, not_after, not_before = _compiled(word)
    return [
        match
        for match in pattern.finditer(text)
        if not (not_after and not_after.search(text[: match.start()]))
        and not (not_before and not_before.match(text[match.end() :]))
        and not _negation().search(text[: match.start()])
    ]


@lru_cache(maxsize=2048)
def _compiled(word: str) -> tuple[re.Pattern[str], re.Pattern[str] | None, re.Pattern[str] | None]:
    guard = _data()["guards"].get(word, {})
    escaped = re.escape(word.lower())
    if word.isascii():
        escaped = rf"(?<![a-z]){escaped}(?![a-z])"
    not_after, not_before = guard.get("not_after"), guard.get("not_before")
    return (
        re.compile(escaped),
        re.compile(f"(?:{not_after})$") if not_after else None,
        re.compile(not_before) if not_before else None,
    )


@lru_cache(maxsize=1)
def _negation() -> re.Pattern[str]:
    return re.compile(_data()["negations"])
