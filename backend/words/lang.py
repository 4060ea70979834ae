"""The little language of `exceptions.csv` and `patterns.csv`.

Alternatives are separated by `|` and matched in the folded view of a text (`view.py`): lower case,
simplified, Chinese numerals as digits. `#` is a number, `…` up to eight characters of a clause, `‥` up to
fourteen of a sentence, `&` an account name, `$` the end of a clause, `[a|b]` a choice and `[a|b]?` an
optional one. `patterns.csv` may name a class of words, `<class>` (data/classes.txt).
Everything else is literal, so a rule stays readable for the people who maintain the dictionary, and no
rule can take more than linear time: repetition is always bounded.
"""

from __future__ import annotations

import re
from typing import Final

from backend.words.view import fold_view

_TOKENS: Final = {
    "#": r"[0-9.十百千万亿两半几数上多]{1,8}",
    "…": r"[^，。！？；\n]{0,8}?",
    "‥": r"[^。！？；\n]{0,14}?",
    "$": r"(?:\Z|(?=[，。！？；\n]))",
    "&": r"(?:[a-z][a-z0-9_\-]{4,20}|[0-9]{5,12})",
}
_SPECIAL: Final = frozenset("#…‥&$[")
_SIGNS: Final = re.compile(r"[\[\]|#…‥&$?]+")


def is_literal(pattern: str) -> bool:
    """Tell whether a pattern has none of the language's signs."""
    return not _SPECIAL.intersection(pattern)


def split_alternatives(pattern: str) -> list[str]:
    """Split at the `|` that stand outside brackets."""
    parts, depth, current = [], 0, ""
    for char in pattern:
        depth += (char == "[") - (char == "]")
        if char == "|" and depth == 0:
            parts.append(current)
            current = ""
        else:
            current += char
    return [part for part in [*parts, current] if part]


def words_of(pattern: str) -> list[str]:
    """Return the literal words of a pattern."""
    return [word for word in _SIGNS.split(pattern) if word]


def to_regex(pattern: str) -> str:
    """Translate one alternative into a regular expression."""
    out: list[str] = []
    i = 0
    while i < len(pattern):
        char = pattern[i]
        if char == "[":
            close = pattern.index("]", i)
            choice = "|".join(to_regex(a) for a in pattern[i + 1 : close].split("|"))
            i = close + 1
            optional = "?" if pattern[i : i + 1] == "?" else ""
            i += len(optional)
            out.append(f"(?:{choice}){optional}")
            continue
        out.append(_TOKENS.get(char) or re.escape(fold_view(char)))
        i += 1
    return "".join(out)


def any_of(patterns: list[str]) -> re.Pattern[str]:
    """Compile alternatives into one regular expression, the longest first."""
    return re.compile("|".join(to_regex(p) for p in sorted(patterns, key=len, reverse=True)))
