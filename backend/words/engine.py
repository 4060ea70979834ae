"""The word check: fold, scan, verify, judge, for one text or many at once.

Many texts are joined with a barrier between them, so numpy and the scanner work on blocks of some ten
thousand characters; only texts with a candidate are looked at in Python. Offsets come back in code points
of the original.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, chain
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from backend.words.compiled import LETTERS, SEVERAL, Compiled, compiled
from backend.words.conditions import Page
from backend.words.dictionary import Dictionary, shipped
from backend.words.disguise import is_pinyin
from backend.words.fold import fold_text
from backend.words.judging import Found, Judged, Text, judge_text, leftmost_longest
from backend.words.models import Category, Context, Kind, Result
from backend.words.report import make_hit, notices
from backend.words.signals import REACH
from backend.words.unfold import Spelt, Unfolded, expand_text, spelt_terms, write_out
from backend.words.view import code_points, view_of

BLOCK: Final = 60_000
"""Characters joined for one scan: small enough for the arrays to stay in the processor's cache."""
_SEVERAL_BYTE: Final = bytes([SEVERAL])
_DROPPED: Final = b"\0"
_RUN: Final = re.compile(rb"[a-z]+")
_ORDINALS: Final = frozenset("一二三四五六七八九十0123456789")


class _Block(NamedTuple):
    """Joined texts as arrays: code points, their classes, and the classes that are left after dropping."""

    text: str
    points: npt.NDArray[np.uint32]
    classes: npt.NDArray[np.uint8]
    kept: bytes


def block_of(text: str, table: Compiled) -> _Block:
    """Return the arrays of a text, or of texts joined."""
    points = code_points(text)
    classes = table.classes.take(points)
    return _Block(text, points, classes, classes.tobytes().translate(None, _DROPPED))


def _is_plain_digit(char: str) -> bool:
    return char.isdecimal()


def _cuts_word(text: str, start: int, end: int) -> bool:
    """Tell whether a letter or number goes on beyond the span: "no1" in "no12", "vx" in "svx", "一次…" in
    "第一次…"."""
    first, last = text[start], text[end - 1]
    if first in _ORDINALS and text[start - 1 : start] == "第" and start:
        return True
    before, after = text[start - 1 : start] if start else "", text[end : end + 1]
    if first.isascii() and before.isascii() and first.isalpha() and before.isalpha():
        return True
    if last.isascii() and after.isascii() and last.isalpha() and after.isalpha():
        return True
    if (
        _is_plain_digit(first)
        and before
        and (_is_plain_digit(before) or (before == "." and text[start - 2 : start - 1].isdecimal()))
    ):
        return True
    return (
        _is_plain_digit(last)
        and bool(after)
        and (_is_plain_digit(after) or (after == "." and text[end + 1 : end + 2].isdecimal()))
    )


def _verify(
    block: _Block, table: Compiled, candidates: list[tuple[int, int]], near: dict[str, list[int]]
) -> Iterator[Found]:
    """Turn candidates into needles that are really there, with their place in the block's text.

    Candidates that could be a signal are put into `near` as they are: one too many only costs time.
    """
    if not candidates:
        return
    index = np.flatnonzero(block.classes != 0)
    text, lengths, meanings, signals = block.text, table.lengths, table.meanings, table.signals
    ends = np.array([end for end, _ in candidates])
    starts = index[ends - np.array([lengths[group] for _, group in candidates])].tolist()
    stops = (index[ends - 1] + 1).tolist()
    for (_, group), start, stop in zip(candidates, starts, stops, strict=True):
        if (signal := signals[group]) is not None:
            near[signal].append(stop)
        if not (group_meanings := meanings[group]):
            continue
        raw = text[start:stop]
        folded = ""
        for meaning in group_meanings:
            if raw != meaning.needle:
                folded = folded or fold_text(raw)
                if folded != meaning.needle:
                    continue
            if not _cuts_word(text, start, stop):
                yield Found(start, stop, meaning)
            break


def _no_signals() -> dict[str, list[int]]:
    return {signal: [] for signal in REACH}


def _unfolded(unfolded: Unfolded, context: Context, table: Compiled) -> list[Judged]:
    """Check a rewritten text and bring its hits back to the original's positions."""
    block, near = block_of(unfolded.text, table), _no_signals()
    found = _to_judge(_verify(block, table, table.scan(block.kept), near))
    page = Page(view_of(block.points), 0, len(unfolded.text), context.category, _sorted(near))
    starts, ends = unfolded.starts, unfolded.ends
    return [
        item._replace(start=starts[item.start], end=ends[item.end - 1])
        for item in judge_text(found, Text(page, context), table)
    ]


def _sorted(near: dict[str, list[int]]) -> dict[str, list[int]]:
    for places in near.values():
        places.sort()
    return near


def _to_judge(found: Iterable[Found]) -> list[Found]:
    return [item for item in found if item.meaning.rule or item.meaning.patterns]


def _result(text: str, judged: list[Judged], context: Context, version: str) -> Result:
    hits = tuple(
        make_hit(
            text, j.start, j.end, j.rule, j.severity, j.term, j.disguised or text[j.start : j.end] != j.term
        )
        for j in judged
    )
    missing = notices(text, context)
    if not hits and not missing:
        return Result("clean", (), (), version)
    return Result("block" if any(hit.severity == "block" for hit in hits) else "warn", hits, missing, version)


def _letters_spelling_terms(block: _Block, table: Compiled) -> list[int]:
    """Return where runs of letters begin, in the block's text, that may spell a term in pinyin."""
    runs = block.kept.translate(LETTERS)
    words = {word for word in set(runs.split()) if len(word) > 1 and _may_spell(word, table)}
    if not words:
        return []
    index = np.flatnonzero(block.classes != 0)
    return [int(index[match.start()]) for match in _RUN.finditer(runs) if match[0] in words]


def _may_spell(word: bytes, table: Compiled) -> bool:
    memory = table.spelling_memory
    known = memory.get(word)
    if known is None:
        if len(memory) > 50_000:
            memory.clear()
        known = memory[word] = is_pinyin(word.decode("ascii"), table.phonetics)
    return known


def _check_block(
    texts: Sequence[str], contexts: Sequence[Context], table: Compiled
) -> Iterator[tuple[int, Result]]:
    """Yield the position and result of every text of a block that is not plainly clean."""
    joined = texts[0] if len(texts) == 1 else "\n".join(texts)
    block = block_of(joined, table)
    candidates = table.scan(block.kept)
    letters = _letters_spelling_terms(block, table)
    several = _SEVERAL_BYTE in block.kept
    if not candidates and not letters and not several:
        return
    starts = [0, *accumulate(len(text) + 1 for text in texts[:-1])]
    near = _no_signals()
    verified = list(_verify(block, table, candidates, near))
    signs = [item.start for item in verified if item.meaning.stand_in]
    spelt: dict[int, list[Spelt]] = {}
    for at in chain(signs, letters):
        n = bisect_right(starts, at) - 1
        if terms := spelt_terms(texts[n], at - starts[n], table.phonetics):
            spelt.setdefault(n, []).extend(terms)
    judged = _judge_block(_to_judge(verified), _Texts(block, texts, contexts, starts), near, table)
    for n in _texts_with(block, SEVERAL, starts) if several else ():
        judged[n] = _unfolded(expand_text(texts[n]), contexts[n], table)
    for n, terms in spelt.items():
        if written := write_out(texts[n], terms):
            judged[n] = leftmost_longest([*judged.get(n, []), *_unfolded(written, contexts[n], table)])
    for n, hits in judged.items():
        if hits:
            yield n, _result(texts[n], hits, contexts[n], table.version)


class _Texts(NamedTuple):
    """A block, its texts, and where each begins in it."""

    block: _Block
    texts: Sequence[str]
    contexts: Sequence[Context]
    starts: list[int]


def _judge_block(
    found: list[Found], given: _Texts, near: dict[str, list[int]], table: Compiled
) -> dict[int, list[Judged]]:
    """Judge what was found, text by text; positions become those of the text."""
    if not found:
        return {}
    view, near = view_of(given.block.points), _sorted(near)
    starts = given.starts
    by_text: dict[int, list[Found]] = {}
    for item in found:
        by_text.setdefault(bisect_right(starts, item.start) - 1, []).append(item)
    judged: dict[int, list[Judged]] = {}
    for n, items in by_text.items():
        low = starts[n]
        context = given.contexts[n]
        page = Page(view, low, low + len(given.texts[n]), context.category, near)
        hits = judge_text(items, Text(page, context), table)
        if hits:
            judged[n] = [h._replace(start=h.start - low, end=h.end - low) for h in hits] if low else hits
    return judged


def _texts_with(block: _Block, code: int, starts: list[int]) -> set[int]:
    return {bisect_right(starts, int(at)) - 1 for at in np.flatnonzero(block.classes == code)}


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
