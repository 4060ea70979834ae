"""Finding many byte strings in one: the engine is chosen by the size of the list and by what is installed.

Small lists run on hyperscan (wheels for Linux x86_64 and aarch64, glibc and musl, macOS, Windows), large
ones on daachorse (compiles 60,000 terms in 0.1 s in a few megabytes; no wheel for Linux aarch64, where
ahocorasick_rs takes its place). Where none of them can be imported, a plain trie gives the same answers
slowly.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from itertools import chain
from typing import Any, Final

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Scan = Callable[[bytes], tuple[Ints, Ints]]
"""Return the end and the needle's index of every occurrence of every needle, overlaps included, in no
particular order."""
_NONE: Final = np.zeros(0, np.int64), np.zeros(0, np.int64)
_INDEX_BITS: Final = 24
_INDEX: Final = (1 << _INDEX_BITS) - 1

SMALL: Final = 9_000
_ORDER_SMALL: Final = ("hyperscan", "daachorse", "ahocorasick_rs", "trie")
_ORDER_LARGE: Final = ("daachorse", "ahocorasick_rs", "hyperscan", "trie")


def _hyperscan(needles: Sequence[bytes]) -> Scan:
    import hyperscan

    database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
    database.compile(
        expressions=list(needles),
        ids=list(range(len(needles))),
        elements=len(needles),
        flags=[0] * len(needles),
        literal=True,
    )
    lock = threading.Lock()  # the database's scratch space serves one scan at a time
    scan_block = database.scan

    def scan(data: bytes) -> tuple[Ints, Ints]:
        found: list[int] = []
        add = found.append

        def on_match(index: int, _start: int, end: int, _flags: int, _context: object) -> None:
            add(end << _INDEX_BITS | index)

        if data:
            with lock:
                scan_block(data, match_event_handler=on_match)
        if not found:
            return _NONE
        packed = np.array(found, np.int64)
        return packed >> _INDEX_BITS, packed & _INDEX

    return scan


def _columns(found: Sequence[tuple[int, int, int]], end: int, index: int) -> tuple[Ints, Ints]:
    """Return two columns of a list of triples."""
    if not found:
        return _NONE
    rows = np.fromiter(chain.from_iterable(found), np.int64, 3 * len(found)).reshape(-1, 3)
    return rows[:, end], rows[:, index]


def _daachorse(needles: Sequence[bytes]) -> Scan:
    import daachorse

    automaton = daachorse.DoubleArrayAhoCorasick(list(needles), daachorse.MATCH_KIND_STANDARD)
    find = automaton.find_overlapping

    def scan(data: bytes) -> tuple[Ints, Ints]:
        return _columns(find(data), 1, 2)

    return scan


def _ahocorasick_rs(needles: Sequence[bytes]) -> Scan:
    import ahocorasick_rs

    automaton = ahocorasick_rs.BytesAhoCorasick(list(needles))

    def scan(data: bytes) -> tuple[Ints, Ints]:
        return _columns(automaton.find_matches_as_indexes(data, overlapping=True), 2, 0)

    return scan


def _trie(needles: Sequence[bytes]) -> Scan:
    root: dict[Any, Any] = {}
    for index, needle in enumerate(needles):
        node = root
        for byte in needle:
            node = node.setdefault(byte, {})
        node["index"] = index

    def scan(data: bytes) -> tuple[Ints, Ints]:
        found: list[tuple[int, int, int]] = []
        for start in range(len(data)):
            node, end = root, start
            while end < len(data) and (below := node.get(data[end])) is not None:
                node, end = below, end + 1
                if "index" in node:
                    found.append((start, end, node["index"]))
        return _columns(found, 1, 2)

    return scan


_BUILDERS: Final[dict[str, Callable[[Sequence[bytes]], Scan]]] = {
    "hyperscan": _hyperscan,
    "daachorse": _daachorse,
    "ahocorasick_rs": _ahocorasick_rs,
    "trie": _trie,
}


def build_scan(needles: Sequence[bytes], *, engine: str | None = None) -> tuple[str, Scan]:
    """Compile needles and return the engine's name and its scan.

    `engine` names one engine and lets its ImportError through; without it the best installed one for the
    list's size is taken. Needles are distinct and not empty.
    """
    if engine is not None:
        return engine, _BUILDERS[engine](needles)
    for name in _ORDER_SMALL if len(needles) <= SMALL else _ORDER_LARGE:
        try:
            return name, _BUILDERS[name](needles)
        except ImportError:
            continue
    raise AssertionError("the trie needs nothing to be installed")
