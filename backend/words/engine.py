"""The word check: fold, scan, verify, judge, for one text or many at once.

Many texts are joined with a barrier between them, so numpy and the scanner work on blocks of some ten
thousand characters; only texts with a candidate are looked at in Python. Offsets come back in code points
of the original.
"""

from __future__ import annotations

import functools
import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, groupby
from operator import itemgetter
from typing import Final, NamedTuple

import numpy as np

from backend.words.block import Block, Found, Needles, near_rules, needles_in
from backend.words.compiled import LETTERS, SEVERAL, Compiled, compiled
from backend.words.dictionary import Dictionary, shipped
from backend.words.judging import Judged, Text, judge_text, leftmost_longest
from backend.words.models import Category, Context, Hit, Kind, Result
from backend.words.report import describe, notices
from backend.words.unfold import Spelt, Unfolded, expand_text, spelt_terms, without_pluses, write_out

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


def _spelt(given: _Texts, runs: list[_Run], found: list[Found], table: Compiled) -> dict[int, list[Spelt]]:
    """Find the terms spelt in pinyin or with stand-ins, by text."""
    signs: list[_Run] = []
    spelt: dict[int, list[Spelt]] = {}
    for start, end, first, last, meaning, _ in found:
        if meaning.stand_in and meaning.plain == meaning.needle:
            signs.append(_Run(first, last, meaning.needle))
        elif meaning.stand_in:
            n = bisect_right(given.starts, start) - 1
            low = given.starts[n]
            spelt.setdefault(n, []).append(Spelt(start - low, end - low, meaning.plain))
    if not (signs or runs):
        return spelt
    block, phonetics = given.block, table.phonetics
    seen = block.seen
    for first, last, form in (*signs, *runs):
        before, after = seen[max(0, first - 1)], seen[min(last, len(seen) - 1)]
        if form and not phonetics.can_stand(form, before, after):
            continue
        at = block.at.item(first)
        n = bisect_right(given.starts, at) - 1
        if terms := spelt_terms(given.texts[n], at - given.starts[n], phonetics):
            spelt.setdefault(n, []).extend(terms)
    return spelt


_hit_of: Final = functools.partial(tuple.__new__, Hit)
_result_of: Final = functools.partial(tuple.__new__, Result)
"""Make a `Hit` and a `Result` of a tuple, in a third of the time."""


def _parted(texts: Sequence[str]) -> dict[int, Unfolded]:
    """Return the texts whose words are parted by pluses, without these."""
    return {n: joined for n, text in enumerate(texts) if (joined := without_pluses(text))}


def _among(terms: list[Spelt], judged: list[Judged], length: int) -> list[Judged]:
    """Return what lies on a term that was spelt out; the rest was judged as it is written."""
    spelt = bytearray(length)
    for start, end, _ in terms:
        spelt[start:end] = b"\1" * (end - start)
    return [item for item in judged if spelt.find(1, item.start, item.end) >= 0]


def _hit(text: str, judged: Judged) -> Hit:
    start, end, rule, severity, term, disguised = judged
    said = rule.said.get(severity)
    if said is None:
        said = rule.said[severity] = describe(rule, severity)
    category, _, basis, advice, question, proof, replacement = said
    written = text[start:end]
    differs = disguised or written != term
    return _hit_of(
        (start, end, written, term, category, severity, basis, advice, question, proof, differs, replacement)
    )


def _result(text: str, judged: list[Judged], context: Context, table: Compiled) -> Result:
    missing = notices(text, context) if context.category == "health_food" else ()
    if not judged and not missing:
        return Result("clean", (), (), table.version)
    hits = tuple([_hit(text, item) for item in judged])
    blocked = "block" in [item[3] for item in judged]
    return _result_of(("block" if blocked else "warn", hits, missing, table.version))


class _Texts(NamedTuple):
    """Texts, their block, and where each begins in it."""

    block: Block
    texts: Sequence[str]
    contexts: Sequence[Context]
    starts: list[int]


def _joined(texts: Sequence[str], table: Compiled) -> Block:
    return Block(texts[0] if len(texts) == 1 else "\n".join(texts), table)


def _texts(block: Block, texts: Sequence[str], contexts: Sequence[Context]) -> _Texts:
    starts = list(accumulate([len(text) + 1 for text in texts[:-1]], initial=0))
    return _Texts(block, texts, contexts, starts)


def _check_block(
    texts: Sequence[str], contexts: Sequence[Context], table: Compiled
) -> Iterator[tuple[int, Result]]:
    """Yield the position and result of every text of a block that is not plainly clean."""
    block = _joined(texts, table)
    candidates = table.scan(block.kept)
    runs = _runs(block, table)
    several = _SEVERAL_BYTE in block.kept
    parted = _parted(texts) if "+" in block.text or "＋" in block.text or "➕" in block.text else {}
    if not (candidates or runs or several or parted):
        return
    needles = needles_in(block, table, candidates)
    if not (needles.found or runs or several or parted):
        return
    given = _texts(block, texts, contexts)
    judged = _judge_block(needles, given, table)
    if several:
        expanded = {n: expand_text(texts[n], places) for n, places in _several(given).items()}
        judged.update(_unfolded(expanded, contexts, table))
    if parted:
        for n, hits in _unfolded(parted, contexts, table).items():
            judged[n] = leftmost_longest([*judged.get(n, []), *hits])
    spelt = _spelt(given, runs, needles.found, table)
    written = {n: write_out(texts[n], terms) for n, terms in spelt.items()}
    for n, hits in _unfolded(written, contexts, table).items():
        judged[n] = leftmost_longest([*judged.get(n, []), *_among(spelt[n], hits, len(texts[n]))])
    for n, hits in judged.items():
        if hits:
            yield n, _result(texts[n], hits, contexts[n], table)


def _unfolded(
    unfolded: dict[int, Unfolded], contexts: Sequence[Context], table: Compiled
) -> dict[int, list[Judged]]:
    """Check rewritten texts and bring their hits back to the positions of the original."""
    if not unfolded:
        return {}
    numbers = list(unfolded)
    texts = [unfolded[n].text for n in numbers]
    block = _joined(texts, table)
    needles = needles_in(block, table, table.scan(block.kept))
    judged = _judge_block(needles, _texts(block, texts, [contexts[n] for n in numbers]), table)
    return {n: [_placed(item, unfolded[n]) for item in judged.get(i, ())] for i, n in enumerate(numbers)}


def _placed(item: Judged, unfolded: Unfolded) -> Judged:
    start, _ = unfolded.origin(item.start)
    _, end = unfolded.origin(item.end - 1)
    return item._replace(start=start, end=end)


def _judge_block(needles: Needles, given: _Texts, table: Compiled) -> dict[int, list[Judged]]:
    """Judge what was found, text by text; positions become those of the text."""
    found = needles.found
    if not found:
        return {}
    block, texts, contexts, starts = given
    numbers = [bisect_right(starts, item[1] - 1) - 1 for item in found]
    near = near_rules(block, needles, table)
    judged = {}
    for n, items in groupby(zip(numbers, found, near, strict=True), itemgetter(0)):
        text = Text(block, starts[n], starts[n] + len(texts[n]), contexts[n])
        judged[n] = judge_text([item[1:] for item in items], text, table)
    return judged


def _several(given: _Texts) -> dict[int, list[int]]:
    """Return where each text has characters that stand for several."""
    found: dict[int, list[int]] = {}
    for place in np.flatnonzero(given.block.classes == SEVERAL).tolist():
        n = bisect_right(given.starts, place) - 1
        found.setdefault(n, []).append(place - given.starts[n])
    return found


def _blocks(texts: list[str]) -> Iterator[tuple[int, int]]:
    """Yield from where to where texts make a block."""
    ends = list(accumulate([len(text) + 1 for text in texts]))
    last = 0
    while last < len(texts):
        first = last
        last = bisect_left(ends, (ends[first - 1] if first else 0) + BLOCK, first, len(texts) - 1) + 1
        yield first, last


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
    for first, last in _blocks(texts):
        for i, result in _check_block(texts[first:last], given[first:last], table):
            results[first + i] = result
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
