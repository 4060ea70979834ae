"""The word check of a file of listings, XLSX to XLSX, against reading and writing that file without a check.

`python -m tests.bench.listings [LISTINGS]` prints its table; with 100,000 it takes some minutes. The other side
reads with the desk's own reader, which streams, and writes every cell with xlsxwriter, which streams too. A second
row has the same beside our own writer of rows: what the check alone adds. CPU seconds are counted.
"""

from __future__ import annotations

import random
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import xlsxwriter

from backend.compliance.files import check_table
from backend.compliance.sheet import PLAIN, sheet
from backend.imports.reader import open_table
from backend.words.dictionary import shipped
from backend.words.fold import common_words
from tests.bench.words import in_turns, row, text_of

Row = dict[str, Any]
HEAD = ("货号", "标题", "卖点", "描述", "价格")
LENGTHS = (60, 40, 120)
COLUMNS = [1, 2, 3]
DISTINCT = 4_000
STREAMED = {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False}


def make_file(path: Path, listings: int) -> None:
    """Write listings with a code, a title, a selling point, a description and a price."""
    rng = random.Random(8)
    terms = [e.term for e in shipped().entries if e.match_kind == "exact"][:409]
    common = sorted(common_words())
    texts = [
        [text_of(length, rng, terms, common) for length in LENGTHS] for _ in range(min(listings, DISTINCT))
    ]
    with xlsxwriter.Workbook(path, STREAMED) as book:
        page = book.add_worksheet()
        page.write_row(0, 0, HEAD)
        for n in range(listings):
            page.write_row(n + 1, 0, (f"SKU{n:07d}", *texts[n % len(texts)], f"{rng.randint(9, 999)}.00"))


def checked(source: Path, target: Path) -> None:
    """Check the three texts of every listing."""
    options = {"columns": COLUMNS, "kind": "title"}
    check_table(source, target, name=source.name, options=options, book=shipped(), on_batch=lambda _: True)


def copied(source: Path, target: Path) -> None:
    """Read the file and write its cells with xlsxwriter."""
    with xlsxwriter.Workbook(target, STREAMED) as book:
        page = book.add_worksheet()
        for line, row in enumerate(open_table(source, name=source.name).rows()):
            for column, text in enumerate(row.cells):
                page.write_string(line, column, text)


def copied_fast(source: Path, target: Path) -> None:
    """Read the file and write its cells with the writer that the check uses."""
    with sheet(
        target, title="Sheet1", head=HEAD, formats={"bold": {"bold": True}}, dress=lambda _: None
    ) as out:
        for row in open_table(source, name=source.name).rows():
            out.add((column, [(PLAIN, text)]) for column, text in enumerate(row.cells))


_PEAK = """
import resource, sys
from pathlib import Path
from tests.bench.listings import checked
checked(Path(sys.argv[1]), Path(sys.argv[2]))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3)
"""


def rows(listings: int = 4_000) -> list[Row]:
    """Measure both ways in turns and return the lines of the table."""
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "in.xlsx"), Path(folder, "out.xlsx")
        make_file(source, listings)

        def work(done: Callable[[Path, Path], None]) -> tuple[Callable[[list[str]], object], list[str]]:
            return (lambda _: done(source, target)), []

        took = in_turns({"checked": work(checked), "copied": work(copied), "copied fast": work(copied_fast)})
        told = subprocess.run(
            [sys.executable, "-c", _PEAK, str(source), str(target)],
            check=True,
            capture_output=True,
            text=True,
        )
    name = f"word check of {listings:,} listings x 3 texts, XLSX to XLSX"
    ours, copy, fast = took["checked"], took["copied"], took["copied fast"]
    whole, peak = ours * 100_000 / listings, float(told.stdout)
    return [
        row(f"A8 {name}, against reading and writing it", ours, copy, "≤ 2", ours / copy <= 2, "s"),
        row("   the same, against reading and writing it our way", ours, fast, "–", None, "s"),
        row("   100,000 listings at this speed", whole, 60.0, "< 60 s", whole < 60, "s"),
        row(f"   memory of checking {listings:,} listings", peak, 600.0, "< 600 MB", peak < 600, "MB"),
    ]


if __name__ == "__main__":
    for line in rows(int(sys.argv[1]) if len(sys.argv) > 1 else 4_000):
        mark = "met " if line["met"] else "MISS"
        print(
            f"{mark} {line['ratio']:>8.3f}  {line['ours']:>9} / {line['other']:>9} {line['unit']:<3} {line['name']}"
        )
