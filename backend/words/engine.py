"""The word check: fold, scan, verify, judge, for one text or many at once.

Many texts are joined with a barrier between them, so numpy and the scanner work on blocks of some ten thousand
characters; only texts with a candidate are looked at in Python. Offsets come back in code points of the original.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, chain
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from backend.words.compiled import LETTERS, SEVERAL, Compiled, Meaning, Rule, compiled
from backend.words.conditions import Surroundings
from backend.words.dictionary import Dictionary, shipped
from backend.words.disguise import is_pinyin
from backend.words.fold import common_words, fold_text
from backend.words.models import Category, Context, Kind, Result, Severity
from backend.words.report import make_hit, notices
from backend.words.rules import judge
from backend.words.unfold import Spelt, Unfolded, expand_text, spelt_terms, write_out
from backend.words.view import GAP, code_points, view_of

BLOCK: Final = 60_000
"""Characters joined for one scan: small enough for the arrays to stay in the processor's cache."""
_REACH: Final = 24
_NEAR: Final = 48
_FAR: Final = 120
_SENTENCE_ENDS: Final = "。！？；\n"
_CLAUSE_ENDS: Final = "，。！？；\n"
_SEVERAL_BYTE: Final = bytes([SEVERAL])
_DROPPED: Final = b"\0"
_ORDINALS: Final = frozenset("一二三四五六七八九十0123456789")


class _Found(NamedTuple):
    """A verified needle: code points [start, end) of its text, and what it means."""

    start: int
    end: int
    meaning: Meaning


class _Block(NamedTuple):
    """Joined texts as arrays: code points, their classes, and the classes that are left after dropping."""

    text: str
    points: npt.NDArray[np.uint32]
    classes: npt.NDArray[np.uint8]
    kept: bytes


def _block(text: str, table: Compiled) -> _Block:
    points = code_points(text)
    classes = table.classes.take(points)
    return _Block(text, points, classes, classes.tobytes().translate(None, _DROPPED))


def _is_plain_digit(char: str) -> bool:
    return char.isdecimal()


def _cuts_word(text: str, start: int, end: int) -> bool:
    """Tell whether a letter or number goes on beyond the span: "no1" in "no12", "vx" in "svx", "一次…" in "第一次…"."""
    first, last = text[start], text[end - 1]
    if first in _ORDINALS and text[start - 1 : start] == "第" and start:
        return True
    before, after = text[start - 1 : start] if start else "", text[end : end + 1]
    if first.isascii() and before.isascii() and first.isalpha() and before.isalpha():
        return True
    if last.isascii() and after.isascii() and last.isalpha() and after.isalpha():
        return True
    if _is_plain_digit(first) and before and (_is_plain_digit(before) or (before == "." and text[start - 2 : start - 1].isdecimal())):
        return True
    return _is_plain_digit(last) and bool(after) and (
        _is_plain_digit(after) or (after == "." and text[end + 1 : end + 2].isdecimal())
    )


def _verify(block: _Block, table: Compiled, candidates: list[tuple[int, int]]) -> Iterator[_Found]:
    """Turn candidates into needles that are really there, with their place in the block's text."""
    index = np.flatnonzero(block.classes)
    text, lengths = block.text, table.lengths
    for end, group in candidates:
        start = int(index[end - lengths[group]])
        stop = int(index[end - 1]) + 1
        raw = text[start:stop]
        folded = ""
        for meaning in table.meanings[group]:
            if raw != meaning.needle:
                folded = folded or fold_text(raw)
                if folded != meaning.needle:
                    continue
            if not _cuts_word(text, start, stop):
                yield _Found(start, stop, meaning)
            break


class _Reader:
    """Reads the surroundings of spans in one text; its view is made once."""

    __slots__ = ("category", "text", "view")

    def __init__(self, text: str, points: npt.NDArray[Any], category: str) -> None:
        self.text = text
        self.view = view_of(points)
        self.category = category

    def around(self, start: int, end: int) -> Surroundings:
        view = self.view
        far_left, far_right = view[max(0, start - _FAR) : start], view[end : end + _FAR]
        term = view[start:end]
        if GAP in far_left or GAP in far_right or GAP in term:
            far_left, far_right, term = (part.replace(GAP, "") for part in (far_left, far_right, term))
        left, right = far_left[-_NEAR:], far_right[:_NEAR]
        sentence_left = left[_last_of(left, _SENTENCE_ENDS) + 1 :]
        sentence_right = right[: _first_of(right, _SENTENCE_ENDS) + 1]
        return Surroundings(
            left,
            term,
            right,
            sentence_left[_last_of(sentence_left, _CLAUSE_ENDS) + 1 :],
            sentence_right[: _first_of(sentence_right, _CLAUSE_ENDS)],
            sentence_left + term + sentence_right,
            far_left + term + far_right,
            self.category,
        )


def _last_of(text: str, signs: str) -> int:
    return max(map(text.rfind, signs))


def _first_of(text: str, signs: str) -> int:
    return min((i for i in map(text.find, signs) if i >= 0), default=len(text))


def _straddles(found: _Found, view: str) -> bool:
    """Tell whether a two-character span is the end of one common word and the start of another ("独|特价|值")."""
    if len(found.meaning.needle) != 2 or found.start == 0:
        return False
    words = common_words()
    before, after = view[found.start - 1 : found.start + 1], view[found.end - 1 : found.end + 1]
    return before in words and after in words


def _pattern_hits(found: _Found, reader: _Reader, context: Context, table: Compiled) -> Iterator[_Judged]:
    """Match the families of terms whose trigger was found, in the view around it."""
    low = max(0, found.start - _REACH)
    seen = reader.view[low : found.end + _REACH]
    places: Sequence[int] = range(len(seen))
    if GAP in seen:
        places = [i for i, char in enumerate(seen) if char != GAP]
        seen = seen.replace(GAP, "")
    for pattern in found.meaning.patterns:
        if not pattern.gate.search(seen):
            continue
        for match in pattern.regex.finditer(seen):
            start, end = low + places[match.start()], low + places[match.end() - 1] + 1
            if start <= found.start and found.end <= end and fold_text(match[0]) not in table.rules:
                rule = Rule(pattern.entry, pattern.conditions, "")
                severity = judge(rule, reader.around(start, end), context, term="")
                if severity:
                    yield _Judged(start, end, rule, severity, match[0], False)


class _Judged(NamedTuple):
    start: int
    end: int
    rule: Rule
    severity: Severity
    term: str
    disguised: bool


def _judge_text(
    text: str, points: npt.NDArray[Any], found: list[_Found], context: Context, table: Compiled
) -> list[_Judged]:
    """Judge everything found in one text and keep the leftmost, then longest, of what overlaps."""
    reader = _Reader(text, points, context.category)
    judged: list[_Judged] = []
    for item in found:
        if item.meaning.patterns:
            judged.extend(_pattern_hits(item, reader, context, table))
        rule = item.meaning.rule
        if rule is None or _straddles(item, reader.view):
            continue
        severity = judge(rule, reader.around(item.start, item.end), context, term=item.meaning.plain)
        if severity:
            judged.append(_Judged(item.start, item.end, rule, severity, rule.entry.term, item.meaning.disguised))
    return _leftmost_longest(judged)


def _leftmost_longest(judged: list[_Judged]) -> list[_Judged]:
    judged.sort(key=lambda j: (j.start, -j.end, j.disguised))
    kept: list[_Judged] = []
    for item in judged:
        if not kept or item.start >= kept[-1].end:
            kept.append(item)
    return kept


def _unfolded(unfolded: Unfolded, context: Context, table: Compiled) -> list[_Judged]:
    """Check a rewritten text and bring its hits back to the original's positions."""
    block = _block(unfolded.text, table)
    found = list(_verify(block, table, table.scan(block.kept)))
    starts, ends = unfolded.starts, unfolded.ends
    return [
        item._replace(start=starts[item.start], end=ends[item.end - 1])
        for item in _judge_text(unfolded.text, block.points, found, context, table)
    ]


def _result(text: str, judged: list[_Judged], context: Context, version: str) -> Result:
    hits = tuple(
        make_hit(text, j.start, j.end, j.rule, j.severity, j.term, j.disguised or text[j.start : j.end] != j.term)
        for j in judged
    )
    missing = notices(text, context)
    if not hits and not missing:
        return Result("clean", (), (), version)
    return Result("block" if any(hit.severity == "block" for hit in hits) else "warn", hits, missing, version)


def _letters_spelling_terms(block: _Block, table: Compiled) -> list[int]:
    """Return where runs of letters begin, in the block's text, that may spell a term in pinyin."""
    runs = block.kept.translate(LETTERS)
    words = [word for word in set(runs.split()) if len(word) > 1 and _may_spell(word, table)]
    if not words:
        return []
    index = np.flatnonzero(block.classes)
    found = []
    padded = b" " + runs + b" "
    for word in words:
        at = padded.find(b" " + word + b" ")
        while at >= 0:
            found.append(int(index[at]))
            at = padded.find(b" " + word + b" ", at + 1)
    return found


def _may_spell(word: bytes, table: Compiled) -> bool:
    memory = table.spelling_memory
    known = memory.get(word)
    if known is None:
        if len(memory) > 50_000:
            memory.clear()
        known = memory[word] = is_pinyin(word.decode("ascii"), table.phonetics)
    return known


def _check_block(texts: Sequence[str], contexts: Sequence[Context], table: Compiled) -> Iterator[tuple[int, Result]]:
    """Yield the position and result of every text of a block that is not plainly clean."""
    joined = texts[0] if len(texts) == 1 else "\n".join(texts)
    block = _block(joined, table)
    starts = [0, *accumulate(len(text) + 1 for text in texts[:-1])]
    found: dict[int, list[_Found]] = {}
    if candidates := table.scan(block.kept):
        for item in _verify(block, table, candidates):
            found.setdefault(bisect_right(starts, item.start) - 1, []).append(item)
    spelt: dict[int, list[Spelt]] = {}
    signs = [item.start for items in found.values() for item in items if item.meaning.stand_in]
    for at in chain(signs, _letters_spelling_terms(block, table)):
        n = bisect_right(starts, at) - 1
        if terms := spelt_terms(texts[n], at - starts[n], table.phonetics):
            spelt.setdefault(n, []).extend(terms)
    several = _texts_with(block, SEVERAL, starts) if _SEVERAL_BYTE in block.kept else set()
    for n in sorted(found.keys() | spelt.keys() | several):
        yield n, _one_of_block(n, texts[n], contexts[n], table, block, starts[n], found, spelt, several)


def _texts_with(block: _Block, code: int, starts: list[int]) -> set[int]:
    return {bisect_right(starts, int(at)) - 1 for at in np.flatnonzero(block.classes == code)}


def _one_of_block(
    n: int,
    text: str,
    context: Context,
    table: Compiled,
    block: _Block,
    start: int,
    found: dict[int, list[_Found]],
    spelt: dict[int, list[Spelt]],
    several: set[int],
) -> Result:
    if n in several:
        unfolded = expand_text(text)
        judged = _unfolded(unfolded, context, table)
    elif n in spelt and (unfolded_spelling := write_out(text, spelt[n])):
        judged = _unfolded(unfolded_spelling, context, table)
    else:
        here = [_Found(f.start - start, f.end - start, f.meaning) for f in found[n]] if start else found[n]
        judged = _judge_text(text, block.points[start : start + len(text)], here, context, table)
    return _result(text, judged, context, table.version)


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

    `contexts` gives each text its own context and takes the place of `kind`, `category` and `licences`. Time is linear
    in the length of the texts, whatever they contain.
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
    for n, context in enumerate(given):
        if context.category == "health_food" and results[n] is clean:
            results[n] = _result(texts[n], [], context, table.version)
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
    return _result(text, [], context, table.version)
