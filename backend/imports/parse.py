"""The door to all imports: a file -> what kind it is, and its records. No network, no database, no clock."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

from backend.imports.cells import text
from backend.imports.mapping import layout_of
from backend.imports.platforms.build import build
from backend.imports.platforms.layouts import LAYOUTS, Layout, header_key, recognise
from backend.imports.platforms.rows import Sheet
from backend.imports.reader import Row, Table, open_table
from backend.imports.records import Detected, FileRefused, Note, ParsedFile

_TITLE_ROWS = 10  # a header may follow a title, a period and the like


@dataclass(frozen=True, slots=True)
class _Found:
    """Where the table of a file begins, and how to read it. `headers`: a doubled one is numbered `分销员
    (2)`."""

    table: Table
    sheet: int
    header: Row
    layout: Layout | None
    headers: tuple[str, ...]

    def rows(self) -> Iterator[Row]:
        """The data rows; in a workbook short rows are filled up (Excel writes no blank cells at the end)."""
        width = len(self.headers)
        for row in self.table.rows(self.sheet):
            if row.line <= self.header.line:
                continue
            if self.table.is_workbook and len(row.cells) < width:
                yield row._replace(cells=row.cells + ("",) * (width - len(row.cells)))
            else:
                yield row


def shop_platform(platform: str) -> str:
    """The platform code of shops for a layout: `taobao_items` -> `taobao`."""
    return next((layout.shop_platform for layout in LAYOUTS if layout.name == platform), platform)


def detect(data: bytes | Path | BinaryIO, name: str, *, kind: str | None = None) -> Detected:
    """A first look: kind, platform, encoding, headers and up to 5 rows. Raises FileRefused if it is no
    table."""
    found = _find(open_table(data, name=name), kind)
    return Detected(
        kind=found.layout.kind if found.layout else None,
        platform=found.layout.name if found.layout else None,
        encoding=found.table.encoding,
        headers=found.headers,
        sample_rows=tuple(tuple(map(text, row.cells)) for row in islice(found.rows(), 5)),
    )


def parse_file(
    data: bytes | Path | BinaryIO,
    *,
    name: str,
    kind: str | None = None,
    platform: str = "auto",
    tz: str = "Asia/Shanghai",
    mapping: Mapping[str, str] | None = None,
) -> ParsedFile[Any]:
    """All records of a file, refused rows with their reasons.

    `kind` and `platform` (a layout's name or a shop's platform code) insist: another kind of file is refused.
    `mapping` (field -> header, see mapping.py) reads a file whose headers are unknown, as `kind` (orders).
    Raises FileRefused when nothing of the file can be used.
    """
    table = open_table(data, name=name)
    if mapping is not None:
        layout = layout_of(mapping, kind=kind or "orders", platform=platform)
        found = _find_mapped(table, mapping)
    else:
        found = _find(table, kind)
        layout = _wanted(found, kind, platform)
    outcome, sheet = build(found.rows(), layout, found.headers, tz=tz, serials=table.is_workbook, name=name)
    if not outcome.rows:
        raise FileRefused("file_no_rows")
    return ParsedFile(
        kind=layout.kind,
        platform=layout.name,
        encoding=table.encoding,
        rows=outcome.rows,
        records=tuple(outcome.records),
        rejected=tuple(outcome.rejected),
        duplicate_rows=outcome.duplicate_rows,
        notes=(*outcome.notes, *_notes(layout, sheet, found)),
    )


def _find(table: Table, kind: str | None) -> _Found:
    """The header row: the first that a layout recognises on any sheet, else the first with two words."""
    fallback: _Found | None = None
    for sheet in range(len(table.sheets)):
        for row in islice(table.rows(sheet), _TITLE_ROWS):
            layout = recognise(row.cells, kind)
            if layout:
                return _Found(table, sheet, row, layout, _headers(row))
            if fallback is None and sum(bool(text(cell)) for cell in row.cells) >= 2:
                fallback = _Found(table, sheet, row, None, _headers(row))
    if fallback is None:
        raise FileRefused("file_no_header")
    return fallback


def _find_mapped(table: Table, mapping: Mapping[str, str]) -> _Found:
    wanted = {header_key(header) for header in mapping.values()} - {""}
    for sheet in range(len(table.sheets)):
        for row in islice(table.rows(sheet), _TITLE_ROWS):
            headers = _headers(row)
            if wanted <= {header_key(header) for header in headers}:
                return _Found(table, sheet, row, None, headers)
    raise FileRefused("mapping_stale", {"columns": _listed(mapping.values())})


def _headers(row: Row) -> tuple[str, ...]:
    """Clean names; blank columns at the end dropped, a name that comes again numbered."""
    names = [text(cell) for cell in row.cells]
    while names and not names[-1]:
        names.pop()
    seen: Counter[str] = Counter()
    for place, name in enumerate(names):
        key = header_key(name)
        seen[key] += 1
        if key and seen[key] > 1:
            names[place] = f"{name} ({seen[key]})"
    return tuple(names)


def _wanted(found: _Found, kind: str | None, platform: str) -> Layout:
    """The layout, unless the caller insists on another; a column that is used must not come twice."""
    layout = found.layout
    if layout is None:
        if next(found.rows(), None) is None:
            raise FileRefused("file_no_rows")
        other = _find(found.table, None).layout if kind else None
        if other:
            raise FileRefused("kind_other", {"found": other.kind, "wanted": str(kind)})
        raise FileRefused("headers_unknown", {"count": len(found.headers)})
    if layout.kind == "orders" and platform not in ("auto", layout.name, layout.shop_platform):
        raise FileRefused("platform_other", {"found": layout.name, "wanted": platform})
    keys = {header_key(header) for header in found.headers}
    used = (name for names in layout.columns.values() for name in names)
    doubled = [name for name in used if f"{header_key(name)}(2)" in keys]
    if doubled:
        raise FileRefused("headers_doubled", {"columns": _listed(doubled)})
    return layout


def _listed(names: Any) -> str:
    return "、".join(str(name)[:30] for name in list(names)[:8])


def _notes(layout: Layout, sheet: Sheet, found: _Found) -> list[Note]:
    notes: list[Note] = []
    if layout.kind == "orders":
        if "quantity" not in sheet.places:
            notes.append(Note("quantity_absent", {}))
        if not any(field in sheet.places for field in ("receiver", "phone", "address")):
            notes.append(Note("receiver_absent", {}))
    if len(found.table.sheets) > 1:
        notes.append(Note("sheet_chosen", {"sheet": found.table.sheets[found.sheet]}))
    return notes
