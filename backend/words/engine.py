"""The word check: fold, scan, verify, judge, for one text or many at once.

Many texts are joined with a barrier between them, so numpy and the scanner work on blocks of some ten
thousand characters; only texts with a candidate are looked at in Python. Offsets come back in code points
of the original.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate
from typing import Final, NamedTuple

import numpy as np

from backend.words.block import Block, Found, Needles, block_of, needles_in
from backend.words.compiled import LETTERS, SEVERAL, Compiled, compiled
from backend.words.dictionary import Dictionary, shipped
from backend.words.judging import Judged, Text, judge_text, leftmost_longest
from backend.words.models import Category, Context, Hit, Kind, Result
from backend.words.report import describe, notices
from backend.words.unfold import Spelt, Unfolded, expand_text, spelt_terms, write_out

BLOCK: Final = 120_000
"""Characters joined for one scan: small enough for the arrays to stay in the processor's cache."""
_SEVERAL_BYTE: Final = bytes([SEVERAL])
_NO_LETTER: Final = (b"", b" ")
_FEW: Final = 8
_RUN: Final = re.compile(rb"[a-z]+")


class _Run(NamedTuple):
    """A run of letters that may spell a term, in kept characters; `form` is "" if in several ways."""

    first: int
    last: int
    form: str


def _runs(block: Block, table: Compiled) -> list[_Run]:
    """Return the runs of letters that may spell a term in pinyin."""
    letters = block.kept.translate(LETTERS)
    forms = {
        word: form
        for word in set(letters.split())
        if len(word) > 1 and (form := table.phonetics.form_of(word)) is not None
    }
    if not forms:
        return []
    if len(forms) > _FEW:
        found = ((match[0], match.start()) for match in _RUN.finditer(letters))
        return [_Run(at, at + len(word), forms[word]) for word, at in found if word in forms]
    return [_Run(at, at + len(word), form) for word, form in forms.items() for at in _places(word, letters)]


def _places(word: bytes, letters: bytes) -> Iterator[int]:
    """Yield where a run of letters is exactly a word."""
    at = letters.find(word)
    while at >= 0:
        end = at + len(word)
        if letters[at - 1 : at] in _NO_LETTER and letters[end : end + 1] in _NO_LETTER:
            yield at
        at = letters.find(word, end)


def _spelt(given: _Texts, runs: list[_Run], needles: Needles, table: Compiled) -> dict[int, list[Spelt]]:
    """Find the terms spelt in pinyin or with stand-ins, by text."""
    seen, phonetics = needles.seen, table.phonetics
    signs = [_Run(f.first, f.last, f.meaning.needle) for f in needles.found if f.meaning.stand_in]
    spelt: dict[int, list[Spelt]] = {}
    for first, last, form in (*signs, *runs):
        before, after = seen[max(0, first - 1)], seen[min(last, len(seen) - 1)]
        if form and not phonetics.can_stand(form, before, after):
            continue
        at = needles.at.item(first)
        n = bisect_right(given.starts, at) - 1
        if terms := spelt_terms(given.texts[n], at - given.starts[n], phonetics):
            spelt.setdefault(n, []).extend(terms)
    return spelt


def _unfolded(unfolded: Unfolded, context: Context, table: Compiled) -> list[Judged]:
    """Check a rewritten text and bring its hits back to the original's positions."""
    block = block_of(unfolded.text, table)
    needles = needles_in(block, table, table.scan(block.kept))
    starts, ends = unfolded.starts, unfolded.ends
    return [
        item._replace(start=starts[item.start], end=ends[item.end - 1])
        for item in judge_text(needles.found, Text(unfolded.text, context, needles.view), table)
    ]


def _hit(text: str, judged: Judged, table: Compiled) -> Hit:
    start, end, rule, severity, term, disguised = judged
    key = rule.entry, severity
    said = table.described.get(key)
    if said is None:
        said = table.described[key] = describe(rule, severity)
    category, _, basis, suggestion, question, evidence, replacement = said
    written = text[start:end]
    return Hit(
        start,
        end,
        written,
        term,
        category,
        severity,
        basis,
        suggestion,
        question,
        evidence,
        disguised or written != term,
        replacement,
    )


def _result(text: str, judged: list[Judged], context: Context, table: Compiled) -> Result:
    missing = notices(text, context)
    if not judged and not missing:
        return Result("clean", (), (), table.version)
    blocked = any(item.severity == "block" for item in judged)
    hits = tuple([_hit(text, item, table) for item in judged])
    return Result("block" if blocked else "warn", hits, missing, table.version)


class _Texts(NamedTuple):
    """A block, its texts, and where each begins in it."""

    block: Block
    texts: Sequence[str]
    contexts: Sequence[Context]
    starts: list[int]


def _check_block(
    texts: Sequence[str], contexts: Sequence[Context], table: Compiled
) -> Iterator[tuple[int, Result]]:
    """Yield the position and result of every text of a block that is not plainly clean."""
    block = block_of(texts[0] if len(texts) == 1 else "\n".join(texts), table)
    candidates = table.scan(block.kept)
    runs = _runs(block, table)
    several = _SEVERAL_BYTE in block.kept
    if not (candidates or runs or several):
        return
    given = _Texts(
        block, texts, contexts, list(accumulate([len(text) + 1 for text in texts[:-1]], initial=0))
    )
    needles = needles_in(block, table, candidates)
    if not (needles.found or runs or several):
        return
    judged = _judge_block(needles, given, table)
    for n in _texts_with(SEVERAL, given) if several else ():
        judged[n] = _unfolded(expand_text(texts[n]), contexts[n], table)
    for n, terms in _spelt(given, runs, needles, table).items():
        if written := write_out(texts[n], terms):
            judged[n] = leftmost_longest([*judged.get(n, []), *_unfolded(written, contexts[n], table)])
    for n, hits in judged.items():
        if hits:
            yield n, _result(texts[n], hits, contexts[n], table)


def _judge_block(needles: Needles, given: _Texts, table: Compiled) -> dict[int, list[Judged]]:
    """Judge what was found, text by text; positions become those of the text."""
    starts = given.starts
    by_text: dict[int, list[Found]] = {}
    for item in needles.found:
        by_text.setdefault(bisect_right(starts, item.start) - 1, []).append(item)
    return {
        n: judge_text(items, Text(given.texts[n], given.contexts[n], needles.view, starts[n]), table)
        for n, items in by_text.items()
    }


def _texts_with(code: int, given: _Texts) -> set[int]:
    """Return the numbers of the texts that have a class."""
    places = np.flatnonzero(given.block.classes == code).tolist()
    return {bisect_right(given.starts, place) - 1 for place in places}


def check_many(
    texts: Iterable[str],
    *,
    kind: Kind = "description",
    category: Category = "general",
    licences: Sequence[str] = (),
    contexts: Sequence[Context] | None = None,
    dictionary: Dictionary | None = None,
) -> list[Result]:
    """Check texts and return their results in the same order.

    `contexts` gives each text its own context and takes the place of `kind`, `category` and `licences`.
    Time is linear in the length of the texts, whatever they contain.
    """
    table = compiled(dictionary or shipped())
    texts = list(texts)
    one = Context(kind, category, tuple(licences))
    given: Sequence[Context] = contexts if contexts is not None else [one] * len(texts)
    if len(given) != len(texts):
        raise ValueError("contexts must be as many as texts")
    clean = Result("clean", (), (), table.version)
    results = [clean] * len(texts)
    first = size = 0
    for n, text in enumerate(texts):
        size += len(text) + 1
        if size >= BLOCK or n == len(texts) - 1:
            for i, result in _check_block(texts[first : n + 1], given[first : n + 1], table):
                results[first + i] = result
            first, size = n + 1, 0
    if any(context.category == "health_food" for context in contexts or (one,)):
        for n, context in enumerate(given):
            if results[n] is clean:
                results[n] = _result(texts[n], [], context, table)
    return results


def check_one(
    text: str,
    *,
    kind: Kind = "description",
    category: Category = "general",
    licences: Sequence[str] = (),
    dictionary: Dictionary | None = None,
) -> Result:
    """Check one text. `licences` are "type:number" of the shop or the product."""
    table = compiled(dictionary or shipped())
    context = Context(kind, category, tuple(licences))
    for _, result in _check_block((text,), (context,), table):
        return result
    return _result(text, [], context, table)
