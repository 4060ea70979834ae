"""XLSX as a stream: rows of text out of the zipped XML, without ever holding the sheet.

Why not a library: the usual readers build the whole grid (770 MB for 200,000 x 41 cells, far more if a single
stray cell claims the last row), and give numbers as floats, which hides that an order number lost its
last digits. Reference: ECMA-376 part 1, chapter 18 (SpreadsheetML).
"""

import re
import struct
import zipfile
import zlib
from collections.abc import Iterator
from typing import IO, Any, BinaryIO, NamedTuple
from xml.parsers import expat

from backend.imports.cells import BadCell, serial_time
from backend.imports.limits import (
    MAX_CELL,
    MAX_COLUMNS,
    MAX_ENTRIES,
    MAX_RATIO,
    MAX_SHARED_TEXT,
    MAX_UNPACKED,
    RATIO_FROM,
)
from backend.imports.records import FileRefused

_CHUNK = 1 << 17
_ESCAPE = re.compile(r"_x([0-9A-Fa-f]{4})_")
_BUILT_IN_DATES = frozenset([*range(14, 23), *range(27, 37), *range(45, 48), *range(50, 59)])
_NOT_A_DATE_SIGN = re.compile(r'"[^"]*"|\\.|\[(?!h|m|s)[^\]]*\]|_.|\*.', re.I)


# What the standard library raises for damaged archives and XML, found by feeding it mutated workbooks.
_BROKEN = (
    *(zipfile.BadZipFile, zlib.error, struct.error, expat.ExpatError),
    *(EOFError, OSError, KeyError, ValueError, RuntimeError, NotImplementedError),
)


class _Sheet(NamedTuple):
    name: str
    path: str


class _Book(NamedTuple):
    sheets: tuple[_Sheet, ...]
    from_1904: bool


def check(stream: BinaryIO) -> tuple[str, ...]:
    """Refuse bombs and other zip files by the directory alone, before anything is unpacked; answer the
    sheets."""
    with _unzipped(stream) as archive:
        entries = archive.infolist()
        unpacked = sum(entry.file_size for entry in entries)
        packed = sum(entry.compress_size for entry in entries)
        if len(entries) > MAX_ENTRIES or unpacked > MAX_UNPACKED:
            raise FileRefused("zip_bomb")
        if unpacked > RATIO_FROM and unpacked > MAX_RATIO * max(packed, 1):
            raise FileRefused("zip_bomb")
        if any(entry.flag_bits & 1 for entry in entries):
            raise FileRefused("workbook_locked")
        if any(entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) for entry in entries):
            raise FileRefused("workbook_damaged")
        return tuple(sheet.name for sheet in _book(archive).sheets)


def sheet_rows(stream: BinaryIO, index: int) -> Iterator[tuple[int, tuple[str, ...]]]:
    """The rows of a sheet that have anything in them: (row number, cells from column A on)."""
    with _unzipped(stream) as archive:
        book = _book(archive)
        shared = _shared_strings(archive)
        dates = _date_styles(archive)
        reader = _SheetReader(shared, dates, from_1904=book.from_1904)
        with _entry(archive, book.sheets[index].path) as entry:
            yield from reader.rows(entry)


def _unzipped(stream: BinaryIO) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(stream)
    except _BROKEN as error:
        raise FileRefused("workbook_damaged") from error


def _entry(archive: zipfile.ZipFile, path: str) -> IO[bytes]:
    try:
        return archive.open(path)
    except _BROKEN as error:
        raise FileRefused("workbook_damaged") from error


# --- the small parts of a workbook -------------------------------------------------------------------------


def _book(archive: zipfile.ZipFile) -> _Book:
    names = set(archive.namelist())
    if "xl/workbook.xml" not in names:
        binary = any(name.endswith(".bin") and name.startswith("xl/") for name in names)
        raise FileRefused("workbook_binary" if binary else "zip_other")
    targets = {
        str(attributes.get("Id")): str(attributes.get("Target", ""))
        for tag, attributes in _elements(archive, "xl/_rels/workbook.xml.rels")
        if tag == "Relationship"
    }
    sheets: list[_Sheet] = []
    from_1904 = False
    for tag, attributes in _elements(archive, "xl/workbook.xml"):
        if tag == "workbookPr":
            from_1904 = attributes.get("date1904") in ("1", "true")
        if tag == "sheet" and attributes.get("state", "visible") == "visible":
            relation = next(
                (value for key, value in attributes.items() if key.rpartition(":")[2] == "id"), ""
            )
            path = _inside(targets.get(relation, ""))
            if path in names:
                sheets.append(_Sheet(attributes.get("name", "")[:64], path))
    if not sheets:
        raise FileRefused("workbook_damaged")
    return _Book(tuple(sheets), from_1904)


def _inside(target: str) -> str:
    return target[1:] if target.startswith("/") else f"xl/{target}"


def _elements(archive: zipfile.ZipFile, path: str) -> list[tuple[str, dict[str, str]]]:
    """(local name, attributes) of every element of a small part, in order."""
    found: list[tuple[str, dict[str, str]]] = []
    parser = _parser()
    parser.StartElementHandler = lambda tag, attributes: found.append((tag.rpartition(":")[2], attributes))
    with _entry(archive, path) as entry:
        for _ in _fed(parser, entry):
            if len(found) > 200_000:
                raise FileRefused("workbook_damaged")
    return found


def _date_styles(archive: zipfile.ZipFile) -> frozenset[str]:
    """Indexes (as written in cells) of the cell styles that show a number as a date or time."""
    if "xl/styles.xml" not in archive.namelist():
        return frozenset()
    custom: dict[str, str] = {}
    styles: list[str] = []
    in_cells = False
    for tag, attributes in _elements(archive, "xl/styles.xml"):
        if tag == "numFmt":
            custom[attributes.get("numFmtId", "")] = attributes.get("formatCode", "")
        elif tag in ("cellXfs", "cellStyleXfs", "cellStyles", "dxfs"):
            in_cells = tag == "cellXfs"
        elif tag == "xf" and in_cells:
            styles.append(attributes.get("numFmtId", "0"))
    return frozenset(str(index) for index, code in enumerate(styles) if _is_date(code, custom))


def _is_date(code: str, custom: dict[str, str]) -> bool:
    if code in custom:
        first = _NOT_A_DATE_SIGN.sub("", custom[code].split(";")[0]).lower()
        return any(sign in first for sign in "ymdhs年月日时") and "general" not in first
    return code.isdigit() and int(code) in _BUILT_IN_DATES


def _shared_strings(archive: zipfile.ZipFile) -> list[str]:
    """The workbook's table of texts, phonetic guides left out."""
    path = "xl/sharedStrings.xml"
    if path not in archive.namelist():
        return []
    reader = _StringReader()
    parser = _parser()
    parser.StartElementHandler, parser.EndElementHandler = reader.start, reader.end
    parser.CharacterDataHandler = reader.characters
    with _entry(archive, path) as entry:
        for _ in _fed(parser, entry):
            pass
    return reader.strings


class _StringReader:
    """Collects the texts of sharedStrings.xml: <si><t>…</t></si> or <si><r><t>…</t></r>…<rPh>…</rPh></si>."""

    def __init__(self) -> None:
        self.strings: list[str] = []
        self._words: list[str] = []
        self._reading = self._phonetic = False
        self._size = 0

    def start(self, tag: str, _attributes: dict[str, str]) -> None:
        tag = tag.rpartition(":")[2]
        if tag == "t":
            self._reading = not self._phonetic
        elif tag == "rPh":
            self._phonetic = True

    def end(self, tag: str) -> None:
        tag = tag.rpartition(":")[2]
        if tag == "t":
            self._reading = False
        elif tag == "rPh":
            self._phonetic = False
        elif tag == "si":
            self.strings.append(_unescaped("".join(self._words)))
            self._words.clear()

    def characters(self, data: str) -> None:
        if self._reading:
            self._size += len(data)
            if self._size > MAX_SHARED_TEXT:
                raise FileRefused("zip_bomb")
            self._words.append(data)


def _unescaped(value: str) -> str:
    return _ESCAPE.sub(lambda found: chr(int(found.group(1), 16)), value) if "_x" in value else value


# --- parsing -----------------------------------------------------------------------------------------------


def _parser() -> Any:
    """An expat parser that refuses document types: no entity is ever declared, let alone expanded or
    fetched."""

    def doctype(*_details: object) -> None:
        raise FileRefused("workbook_hostile")

    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = doctype
    return parser


def _fed(parser: Any, entry: IO[bytes]) -> Iterator[None]:
    """Feed an entry in chunks, pausing after each so that the caller can take what was found."""
    try:
        while chunk := entry.read(_CHUNK):
            parser.Parse(chunk, False)
            yield
        parser.Parse(b"", True)
        yield
    except _BROKEN as error:
        raise FileRefused("workbook_damaged") from error


def column_index(reference: str) -> int:
    """0 for `A1`, 26 for `AA7`; -1 if the reference has no letters."""
    index = 0
    for sign in reference:
        if not "A" <= sign <= "Z":
            break
        index = index * 26 + ord(sign) - 64
    return index - 1


class _SheetReader:
    """Turns the events of one sheet into rows: (row number, cells from column A on), blank rows left out."""

    def __init__(self, shared: list[str], dates: frozenset[str], *, from_1904: bool) -> None:
        self._shared = shared
        self._dates = dates
        self._from_1904 = from_1904
        self._done: list[tuple[int, tuple[str, ...]]] = []
        self._cells: list[str] = []
        self._columns: dict[str, int] = {}
        self._value: list[str] = []
        self._formula: list[str] = []
        self._target: list[str] | None = None
        self._row, self._at = 0, -1
        self._phonetic = False
        self._kind = self._style = self._prefix = ""

    def rows(self, entry: IO[bytes]) -> Iterator[tuple[int, tuple[str, ...]]]:
        parser = _parser()
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._characters
        for _ in _fed(parser, entry):
            yield from self._done
            self._done.clear()

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        if self._prefix:
            tag = tag.removeprefix(self._prefix)
        if tag == "c":
            self._start_cell(attributes)
        elif tag == "v" or (tag == "t" and not self._phonetic):
            self._target = self._value
        elif tag == "f":
            self._target = self._formula
        elif tag == "row":
            number = attributes.get("r", "")
            self._row = int(number) if number.isdigit() and len(number) < 9 else self._row + 1
            self._at = -1
        elif tag == "rPh":
            self._phonetic = True
        elif tag.endswith("worksheet"):
            self._prefix = tag.removesuffix("worksheet")

    def _start_cell(self, attributes: dict[str, str]) -> None:
        letters = attributes.get("r", "").rstrip("0123456789")
        if not letters:
            self._at += 1
        elif letters in self._columns:
            self._at = self._columns[letters]
        else:
            self._at = self._columns[letters] = column_index(letters)
        self._kind, self._style = attributes.get("t", ""), attributes.get("s", "")
        self._value.clear()
        self._formula.clear()

    def _end(self, tag: str) -> None:
        if self._prefix:
            tag = tag.removeprefix(self._prefix)
        if tag == "c":
            if self._value or self._formula:
                self._place(self._cell("".join(self._value), "".join(self._formula)))
        elif tag in ("v", "t", "f"):
            self._target = None
        elif tag == "rPh":
            self._phonetic = False
        elif tag == "row" and self._cells:
            self._done.append((self._row, tuple(self._cells)))
            self._cells.clear()

    def _characters(self, data: str) -> None:
        if self._target is not None:
            self._target.append(data)

    def _place(self, found: str) -> None:
        cells, at = self._cells, self._at
        if not found:
            return
        if at >= MAX_COLUMNS:
            raise FileRefused("columns_many", {"line": self._row, "limit": MAX_COLUMNS})
        if len(found) > MAX_CELL:
            raise FileRefused("cell_long", {"line": self._row, "limit": MAX_CELL})
        if at >= len(cells):
            cells.extend([""] * (at - len(cells) + 1))
        cells[at] = found

    def _cell(self, value: str, formula: str) -> str:
        kind = self._kind
        if kind == "s":
            known = value.isdigit() and int(value) < len(self._shared)
            return self._shared[int(value)] if known else ""
        if kind in ("inlineStr", "str", "d"):
            value = _unescaped(value)
        if not value:
            return f"={formula}" if formula else ""
        if kind == "b":
            return "TRUE" if value == "1" else "FALSE"
        if kind:
            return value if kind != "n" else self._number(value)
        return self._number(value)

    def _number(self, value: str) -> str:
        if self._style not in self._dates:
            return number_text(value)
        try:
            return str(serial_time(float(value), from_1904=self._from_1904))
        except (ValueError, BadCell):
            return value


def number_text(value: str) -> str:
    """A number cell as text. Beyond 15 digits Excel has lost digits: written in scientific form, as Excel
    shows it, so that readers of ids refuse it instead of taking a wrong number."""
    if value.isdigit() and len(value) <= 15:
        return value
    try:
        number = float(value)
    except ValueError:
        return value
    if abs(number) >= 1e15:
        return f"{number:.14E}"
    return str(int(number)) if number.is_integer() else repr(number)
