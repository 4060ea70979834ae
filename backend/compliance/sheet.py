"""Rows of text written straight into a workbook.

xlsxwriter makes all that stands around the rows: styles, widths, the frozen head. It also writes one row that
shows every style, and ours are written as it wrote that one. Because a row through its cells takes three
times as long, and that was most of what checking a file took.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Final, NamedTuple
from xml.sax.saxutils import escape

import xlsxwriter
from xlsxwriter.utility import xl_col_to_name

CELL: Final = 32_767
"""Characters a cell holds (Excel's own limit)."""
PLAIN: Final = ""
_SHEET: Final = "xl/worksheets/sheet1.xml"
_OPTIONS: Final = {
    "constant_memory": True,
    "strings_to_formulas": False,
    "strings_to_urls": False,
    "strings_to_numbers": False,
}
_AT_ONCE: Final = 1 << 20
_CODED: Final = re.compile("_x[0-9a-fA-F]{4}_")
_CONTROL: Final = re.compile("[\x00-\x08\x0b-\x1f\ufffe\uffff]")
_TEXT: Final = '<t xml:space="preserve">'

Formats = dict[str, dict[str, Any]]
Pieces = Sequence[tuple[str, str]]
"""A cell's text in pieces: the name of each one's style, `PLAIN` for none, and what it says."""


class _Look(NamedTuple):
    """How xlsxwriter writes each style: of a cell, and of a run of characters."""

    cells: dict[str, str]
    runs: dict[str, str]


class Sheet:
    """Takes rows from the second on; the first is the head."""

    def __init__(self, out: IO[bytes], look: _Look) -> None:
        self._out, self._look = out, look
        self._line = 1
        self._columns: list[str] = []
        self._waiting: list[str] = []
        self._size = 0

    def add(self, cells: Iterable[tuple[int, Pieces]]) -> None:
        """Write one row: the 0-based column and the pieces of each cell that holds something, in order."""
        self._line += 1
        written = [self._cell(column, pieces) for column, pieces in cells]
        self._waiting.append(f'<row r="{self._line}">{"".join(written)}</row>')
        self._size += len(self._waiting[-1])
        if self._size > _AT_ONCE:
            self.flush()

    def flush(self) -> None:
        self._out.write("".join(self._waiting).encode())
        self._waiting.clear()
        self._size = 0

    def _cell(self, column: int, pieces: Pieces) -> str:
        while column >= len(self._columns):
            self._columns.append(xl_col_to_name(len(self._columns)))
        place = f'<c r="{self._columns[column]}{self._line}"'
        if len(pieces) == 1:
            style, text = pieces[0]
            return f'{place}{self._look.cells[style]} t="inlineStr"><is>{_TEXT}{_escaped(text)}</t></is></c>'
        runs = self._look.runs
        said = "".join([f"<r>{runs[style]}{_TEXT}{_escaped(text)}</t></r>" for style, text in pieces])
        return f'{place} t="inlineStr"><is>{said}</is></c>'


def _escaped(text: str) -> str:
    text = escape(text)
    if "_x" in text:
        text = _CODED.sub(r"_x005F\g<0>", text)
    if _CONTROL.search(text):
        text = _CONTROL.sub(lambda found: f"_x{ord(found[0]):04X}_", text)
    return text


def _frame(
    title: str, head: Sequence[str], formats: Formats, dress: Callable[[Any], None]
) -> tuple[bytes, Sequence[str]]:
    """Return a workbook with the head and, below it, one cell of each style and one of runs in each."""
    memory = io.BytesIO()
    with xlsxwriter.Workbook(memory, _OPTIONS) as book:
        page = book.add_worksheet(title)
        dress(page)
        bold = book.add_format({"bold": True})
        for column, text in enumerate(head):
            page.write_string(0, column, text[:CELL], bold)
        made = {name: book.add_format(properties) for name, properties in formats.items()}
        for column, style in enumerate(made.values()):
            page.write_string(1, column, "x", style)
        runs = [part for style in made.values() for part in (style, "x")]
        page.write_rich_string(1, len(made), "x", *runs, "x")
    return memory.getvalue(), list(made)


def _look(sample: str, names: Sequence[str]) -> _Look:
    cells = re.findall(r'<c r="\w+"( s="\d+")', sample)
    runs = re.findall(r"<rPr>.*?</rPr>", sample)
    return _Look(
        dict(zip(names, cells, strict=True)) | {PLAIN: ""}, dict(zip((*names, PLAIN), runs, strict=True))
    )


@contextmanager
def sheet(
    target: Path, *, title: str, head: Sequence[str], formats: Formats, dress: Callable[[Any], None]
) -> Iterator[Sheet]:
    """Write a workbook with one sheet; rows go out as they come.

    `formats` are the styles, at least one, by name as xlsxwriter takes them; `dress` sets widths and panes of
    its worksheet.
    """
    frame, names = _frame(title, head, formats, dress)
    with (
        zipfile.ZipFile(io.BytesIO(frame)) as source,
        zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as out,
    ):
        for name in source.namelist():
            if name != _SHEET:
                out.writestr(name, source.read(name))
        before, _, rest = source.read(_SHEET).decode().partition('<row r="2"')
        sample, _, after = rest.partition("</row>")
        with out.open(_SHEET, "w") as stream:
            stream.write(re.sub(r"<dimension [^>]*/>", "", before).encode())
            rows = Sheet(stream, _look(sample, names))
            yield rows
            rows.flush()
            stream.write(after.encode())
