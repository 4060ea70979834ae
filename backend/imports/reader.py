"""Files as they are -> rows of text cells with their line numbers. The first gate for anything uploaded.

Limits are product decisions: 50 MB, 200,000 data rows, 512 columns, 32,767 signs a cell (Excel's own limit).
Rows are streamed: a file is never held as a whole in Python objects.
"""

import codecs
import csv
import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NamedTuple, TextIO

from backend.imports import xlsx
from backend.imports.limits import MAX_BYTES, MAX_CELL, MAX_COLUMNS, MAX_LINE, MAX_LINES, MAX_ROWS
from backend.imports.records import FileRefused

Source = bytes | Path
_CHUNK = 1 << 20
_DELIMITERS = (",", "\t", ";")
_HTML = (b"<html", b"<!doc", b"<table", b"<?xml", b"<head", b"<meta", b"<div", b"<style", b"mime-version:")
_OTHER = (b"%PDF", b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"Rar!", b"7z\xbc\xaf", b"\x1f\x8b", b"{\\rtf")


class Row(NamedTuple):
    """One record: the physical lines it covers (1-based) and its cells as text."""

    line: int
    last_line: int
    cells: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """A readable file. `encoding` is a codec name, or `xlsx`; `sheets` has one empty name for text files."""

    source: Source
    encoding: str
    sheets: tuple[str, ...]
    delimiter: str = ","

    @property
    def is_workbook(self) -> bool:
        return self.encoding == "xlsx"

    def rows(self, sheet: int = 0) -> Iterator[Row]:
        """Every row that has anything in it, blank ones skipped, from the start each time it is called."""
        return _workbook_rows(self, sheet) if self.is_workbook else _text_rows(self)


def open_table(data: bytes | Path | BinaryIO, *, name: str) -> Table:
    """Look at the first bytes, refuse what cannot be read, and answer the table.

    Raises FileRefused with a key of reasons.py; `name` is only used to word the fix.
    """
    source = _source(data)
    with opened(source) as stream:
        head = stream.read(4096)
        stream.seek(0)
        if not head.strip(b"\0 \t\r\n\xef\xbb\xbf"):
            raise FileRefused("file_empty")
        if head.startswith(b"PK\x03\x04") or head.startswith(b"PK\x05\x06"):
            return Table(source, "xlsx", xlsx.check(stream))
        _refuse_other_formats(head, stream, name)
        encoding = _encoding(stream, head)
    table = Table(source, encoding, ("",))
    with _opened_text(table) as lines:
        return Table(source, encoding, ("",), _delimiter(lines))


def _source(data: bytes | Path | BinaryIO) -> Source:
    if isinstance(data, Path):
        size = data.stat().st_size
    else:
        data = data if isinstance(data, bytes) else data.read(MAX_BYTES + 1)
        size = len(data)
    if size > MAX_BYTES:
        raise FileRefused("file_large", {"limit": MAX_BYTES // 1024 // 1024})
    return data


@contextmanager
def opened(source: Source) -> Iterator[BinaryIO]:
    """The bytes of a source as a seekable stream."""
    if isinstance(source, bytes):
        yield io.BytesIO(source)
    else:
        with source.open("rb") as stream:
            yield stream


@contextmanager
def _opened_text(table: Table) -> Iterator[TextIO]:
    with opened(table.source) as stream:
        stream.seek(2 if table.encoding.startswith("utf-16") else 0)
        yield io.TextIOWrapper(stream, encoding=table.encoding, newline="")


def _refuse_other_formats(head: bytes, stream: BinaryIO, name: str) -> None:
    if head.startswith(b"\xd0\xcf\x11\xe0"):
        locked = "EncryptedPackage".encode("utf-16-le") in stream.read(MAX_BYTES)
        raise FileRefused("workbook_locked" if locked else "workbook_old")
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if start.startswith(_HTML):
        raise FileRefused("web_page", {"ending": Path(name).suffix.lower()[:8] or "?"})
    if head.startswith(_OTHER):
        raise FileRefused("not_a_table")


# --- encodings ---------------------------------------------------------------------------------------------


def _encoding(stream: BinaryIO, head: bytes) -> str:
    """The codec of a text file: proven by decoding all of it, not by statistics."""
    for mark, codec in ((b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be")):
        if head.startswith(mark):
            return _proven(stream, codec)
    stream.seek(0)
    if any(b"\0" in chunk for chunk in iter(lambda: stream.read(_CHUNK), b"")):
        raise FileRefused("nul_bytes")
    utf8 = "utf-8-sig" if head.startswith(b"\xef\xbb\xbf") else "utf-8"
    wrong = _first_wrong_byte(stream, utf8)
    if wrong is None:
        return utf8
    line, chinese_before = wrong
    # GB18030 is never valid UTF-8 for long: valid Chinese before the fault means a damaged UTF-8 file.
    if utf8 == "utf-8-sig" or chinese_before:
        raise FileRefused("encoding_damaged", {"line": line})
    return _proven(stream, "gb18030")


def _proven(stream: BinaryIO, codec: str) -> str:
    wrong = _first_wrong_byte(stream, codec)
    if wrong is not None:
        raise FileRefused("encoding_unknown", {"line": wrong[0]})
    return codec


def _first_wrong_byte(stream: BinaryIO, codec: str) -> tuple[int, bool] | None:
    """None if the stream decodes; else the line of the fault, and whether 3 wide signs came before it."""
    stream.seek(2 if codec.startswith("utf-16") else 0)
    decoder = codecs.getincrementaldecoder(codec)("strict")
    line, wide = 1, 0
    while True:
        chunk = stream.read(_CHUNK)
        try:
            piece = decoder.decode(chunk, final=not chunk)
        except UnicodeDecodeError as error:
            good = error.object[: error.start].decode(codec, "ignore")
            return line + good.count("\n"), wide + _wide(good) >= 3
        if "\0" in piece:
            raise FileRefused("nul_bytes")
        line, wide = line + piece.count("\n"), wide + (0 if wide >= 3 else _wide(piece))
        if not chunk:
            return None


def _wide(piece: str) -> int:
    return 0 if piece.isascii() else sum(1 for sign in piece[:100_000] if sign > "\u2e7f")


# --- text files --------------------------------------------------------------------------------------------


def _delimiter(lines: TextIO) -> str:
    """The sign that splits the first line with words; an Excel line `sep=;` decides."""
    for line in lines:
        if line.lower().startswith("sep=") and len(line.strip()) == 5:
            return line[4]
        if line.strip():
            outside = "".join(line.split('"')[::2])
            return max(_DELIMITERS, key=outside.count)
        if len(line) > MAX_CELL:
            break
    return ","


def _text_rows(table: Table) -> Iterator[Row]:
    with _opened_text(table) as lines:
        reader = csv.reader(_bounded(lines), delimiter=table.delimiter)
        counter = _RowCounter()
        before = 0
        try:
            for cells in reader:
                line, before = before + 1, reader.line_num
                if not any(cells) or not "".join(cells).strip():
                    continue
                if line == 1 and len(cells) <= 2 and cells[0].lower().startswith("sep="):
                    continue
                yield counter.checked(Row(line, before, tuple(cells)))
        except csv.Error as error:
            # The module's own limit: a quote that is never closed swallows the rest of the file.
            raise FileRefused("quote_open", {"line": before + 1}) from error


def _bounded(lines: TextIO) -> Iterator[str]:
    """The lines, refused before one of them, or their number, could exhaust the memory or the day."""
    for number, line in enumerate(lines, 1):
        if len(line) > MAX_LINE:
            raise FileRefused("columns_many", {"line": number, "limit": MAX_COLUMNS})
        if number > MAX_LINES:
            raise FileRefused("rows_many", {"limit": MAX_ROWS})
        yield line


class _RowCounter:
    """Applies the limits that only show while reading."""

    def __init__(self) -> None:
        self.seen = 0

    def checked(self, row: Row) -> Row:
        self.seen += 1
        if self.seen > MAX_ROWS + 1:
            raise FileRefused("rows_many", {"limit": MAX_ROWS})
        if len(row.cells) > MAX_COLUMNS:
            raise FileRefused("columns_many", {"line": row.line, "limit": MAX_COLUMNS})
        if len(max(row.cells, key=len)) > MAX_CELL:
            raise FileRefused("cell_long", {"line": row.line, "limit": MAX_CELL})
        return row


# --- workbooks ---------------------------------------------------------------------------------------------


def _workbook_rows(table: Table, sheet: int) -> Iterator[Row]:
    counter = _RowCounter()
    with opened(table.source) as stream:
        for line, cells in xlsx.sheet_rows(stream, sheet):
            yield counter.checked(Row(line, line, cells))
