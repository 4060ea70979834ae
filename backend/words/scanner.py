"""Finding many byte strings in one: the engine is chosen by the size of the list and by what is installed.

Small lists run on hyperscan (wheels for Linux x86_64 and aarch64, glibc and musl, macOS, Windows), large
ones on daachorse (compiles 60,000 terms in 0.1 s in a few megabytes; no wheel for Linux aarch64, where
ahocorasick_rs takes its place). Where none of them can be imported, a plain trie gives the same answers
slowly.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Any, Final

Occurrence = tuple[int, int, int]
"""Start, end, and the needle's index."""
Scan = Callable[[bytes], list[Occurrence]]
"""Return every occurrence of every needle, overlaps included, in the order of their ends."""

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
    lengths = list(map(len, needles))
    scan_block = database.scan

    def scan(data: bytes) -> list[Occurrence]:
        found: list[Occurrence] = []
        add = found.append

        def on_match(index: int, _start: int, end: int, _flags: int, _context: object) -> None:
            add((end - lengths[index], end, index))

        if data:
            with lock:
                scan_block(data, match_event_handler=on_match)
        return found

    return scan


def _daachorse(needles: Sequence[bytes]) -> Scan:
    import daachorse

    automaton = daachorse.DoubleArrayAhoCorasick(list(needles), daachorse.MATCH_KIND_STANDARD)
    return automaton.find_overlapping


def _ahocorasick_rs(needles: Sequence[bytes]) -> Scan:
    import ahocorasick_rs

    automaton = ahocorasick_rs.BytesAhoCorasick(list(needles))

    def scan(data: bytes) -> list[Occurrence]:
        found = automaton.find_matches_as_indexes(data, overlapping=True)
        return [(start, end, index) for index, start, end in found]

    return scan


def _trie(needles: Sequence[bytes]) -> Scan:
    root: dict[Any, Any] = {}
    for index, needle in enumerate(needles):
        node = root
        for byte in needle:
            node = node.setdefault(byte, {})
        node["index"] = index

    def scan(data: bytes) -> list[Occurrence]:
        found: list[Occurrence] = []
        for start in range(len(data)):
            node, end = root, start
            while end < len(data) and (below := node.get(data[end])) is not None:
                node, end = below, end + 1
                if "index" in node:
                    found.append((start, end, node["index"]))
        return sorted(found, key=itemgetter(1))

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
