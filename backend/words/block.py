"""A block: texts joined and taken apart into arrays, and the needles that are really in it."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from backend.words.compiled import HASHED, UNSURE, Compiled, Groups, hashes_of
from backend.words.fold import fold_text
from backend.words.nearby import Around, Ints, open_rules
from backend.words.rules import ALL, FIGURE, OWN, SCANNED, YEAR
from backend.words.view import code_points, view_table

_DROPPED: Final = b"\0"
_FEW: Final = 24
"""So many candidates are compared one by one, and judged with every rule, sooner than by arrays."""
_ORDINALS: Final = frozenset("一二三四五六七八九十0123456789")


class Block(NamedTuple):
    """Joined texts as arrays: code points, their classes, and the classes that are left after dropping."""

    text: str
    points: npt.NDArray[np.uint32]
    classes: npt.NDArray[np.uint8]
    kept: bytes


def block_of(text: str, table: Compiled) -> Block:
    """Return the arrays of a text, or of texts joined."""
    points = code_points(text)
    classes = table.classes.take(points, mode="clip")
    return Block(text, points, classes, classes.tobytes().translate(None, _DROPPED))


class Needles(NamedTuple):
    """Verified needles: where they stand among the kept characters, their code points [starts, ends) of the
    block, their meanings, and the bits of the rules to try on them."""

    around: Around
    starts: Ints
    ends: Ints
    meanings: Ints
    near: Ints


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
        first.isdecimal()
        and before
        and (before.isdecimal() or (before == "." and text[start - 2 : start - 1].isdecimal()))
    ):
        return True
    return (
        last.isdecimal()
        and bool(after)
        and (after.isdecimal() or (after == "." and text[end + 1 : end + 2].isdecimal()))
    )


def _likely(block: Block, index: Ints, groups: Groups, ends: Ints, which: Ints) -> npt.NDArray[np.bool_]:
    """Tell which candidates have the hash of their group, or must be compared."""
    back = np.arange(1, HASHED + 1)
    codes = view_table().take(block.points.take(index.take(ends[:, None] - back, mode="clip")))
    codes[back > groups.lengths.take(which)[:, None]] = 0
    wanted = groups.hashes.take(which)
    return np.asarray((hashes_of(codes) == wanted) | (wanted == UNSURE))


def _compared(raw: str, group: int, table: Compiled) -> int:
    """Return the meaning of a candidate whose hash is not known, -1 if it has none."""
    first = int(table.groups.first[group])
    if table.meanings[first].needle == raw:
        return first
    folded = fold_text(raw)
    ids = table.groups.several.get(group, (first,))
    return next((n for n in ids if table.meanings[n].needle == folded), -1)


def needles_in(block: Block, table: Compiled, candidates: tuple[Ints, Ints]) -> Needles:
    """Return the needles that are really there among the scan's candidates."""
    kept = block.classes != 0
    index = kept.nonzero()[0]
    if len(candidates[0]) <= _FEW:
        return _few_needles(block, kept, index, table, candidates)
    likely = _likely(block, index, table.groups, *candidates)
    lasts, which = candidates[0][likely], candidates[1][likely]
    firsts = lasts - table.groups.lengths.take(which)
    starts, ends = index.take(firsts), index.take(lasts - 1) + 1
    ids = table.groups.first.take(which)
    for n in np.flatnonzero(table.groups.hashes.take(which) == UNSURE):
        ids[n] = _compared(block.text[starts[n] : ends[n]], int(which[n]), table)
    heard = table.facts.heard.take(ids) * (ids >= 0)
    signs = {bit: np.sort(lasts[heard & bit != 0]) for bit in SCANNED}
    whole = (ids >= 0) & table.facts.meant.take(ids)
    for n in np.flatnonzero(whole & table.facts.edged.take(ids)):
        whole[n] = not _cuts_word(block.text, int(starts[n]), int(ends[n]))
    around = Around(block.points, kept, index, firsts[whole], lasts[whole])
    return Needles(around, starts[whole], ends[whole], ids[whole], _near(around, ids[whole], table, signs))


def _few_needles(
    block: Block, kept: npt.NDArray[np.bool_], index: Ints, table: Compiled, candidates: tuple[Ints, Ints]
) -> Needles:
    """Do the same one by one."""
    facts, rows, heard = table.facts, [], 0
    for last, group in zip(candidates[0].tolist(), candidates[1].tolist(), strict=True):
        first = last - int(table.groups.lengths[group])
        start, end = int(index[first]), int(index[last - 1]) + 1
        n = _compared(block.text[start:end], group, table)
        if n < 0:
            continue
        heard |= int(facts.heard[n])
        if facts.meant[n] and not (facts.edged[n] and _cuts_word(block.text, start, end)):
            rows.append((start, end, first, last, n))
    starts, ends, firsts, lasts, ids = np.array(rows, np.int64).reshape(-1, 5).T
    near = facts.heeds.take(ids) & (heard | ALL - sum(SCANNED)) | facts.always.take(ids)
    around = Around(block.points, kept, index, firsts, lasts)
    return Needles(around, starts, ends, ids, _without_half_a_figure(near))


def _near(around: Around, ids: Ints, table: Compiled, heard: dict[int, Ints]) -> Ints:
    """Return the bits of the rules to try on each needle."""
    heeds, always = table.facts.heeds.take(ids), table.facts.always.take(ids)
    stretched = around.at.take(around.ends - 1) - around.at.take(around.starts) >= around.ends - around.starts
    always |= (table.facts.inner.take(ids) & stretched) * OWN
    near = open_rules(table.signs, around, table.facts.guard.take(ids), heard)
    return _without_half_a_figure(near & heeds | always)


def _without_half_a_figure(near: Ints) -> Ints:
    both = YEAR | FIGURE
    return np.where(near & both == both, near, near & ~both)
