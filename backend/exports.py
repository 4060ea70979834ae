"""Spreadsheets for people: CSV (UTF-8 with BOM) and XLSX where no cell can run and no number loses a digit.

Text that a spreadsheet would take as a formula gets a leading quote, also behind blanks and line breaks
(OWASP: CSV injection; CVE-2021-41270 shows why the blanks count).
"""

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, Final

import xlsxwriter

XLSX: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
"""The media type of a workbook."""
Columns = Sequence[tuple[str, str]]
"""(key in the row, header) in the order of the sheet."""

_RUNS = re.compile(r"[\s\u0000-\u0020\u00a0\u200b-\u200f\u2060\u3000\ufeff]*[=+\-@＝＋－＠]|[\t\r\n]")
_UNWRITABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_CENT = Decimal("0.01")
_CELL_LIMIT = 32_767
_NARROW, _WIDE = 10, 40  # signs of a column
_MEASURED = 200  # rows that a column's width is taken from
_EXACT = 10**13  # Excel keeps 15 digits: larger figures, NaN and infinity are written as text


def safe_text(value: str) -> str:
    """The text, quoted if a spreadsheet would run it, without signs that no spreadsheet can hold."""
    value = _UNWRITABLE.sub("", value)
    return f"'{value}" if _RUNS.match(value) else value


def cell_text(value: object) -> str:
    """A value as people read it: money with two decimals, times to the second, '' for nothing."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, Decimal) and value.is_finite():
        return str(value.quantize(_CENT, ROUND_HALF_UP))
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M:%S")
    if isinstance(value, date):
        return value.isoformat()
    return str(value)


def _written(value: object) -> str:
    return safe_text(cell_text(value))[:_CELL_LIMIT]


def write_csv(rows: Iterable[Mapping[str, Any]], columns: Columns) -> bytes:
    """CSV as Excel and the platforms read it: UTF-8 with BOM, CRLF, quotes where needed."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow([safe_text(header) for _, header in columns])
    writer.writerows([_written(row.get(key)) for key, _ in columns] for row in rows)
    return b"\xef\xbb\xbf" + out.getvalue().encode()


def write_xlsx(
    rows: Iterable[Mapping[str, Any]],
    columns: Columns,
    sheet: str,
    *,
    widths: Mapping[str, int] | None = None,
) -> bytes:
    """A workbook with one sheet. Text stays text, so numbers of orders keep all their digits; Decimal is
    money and int, float are figures, so that people can add them up. `widths` (key: signs of a column) are
    for sheets to read and print: long texts are wrapped there."""
    out = io.BytesIO()
    options = {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
    with xlsxwriter.Workbook(out, options) as book:
        page = book.add_worksheet(_sheet_name(sheet))
        text, money = book.add_format({"num_format": "@"}), book.add_format({"num_format": "0.00"})
        head = book.add_format({"num_format": "@", "bold": True})
        if widths:
            text.set_text_wrap()
            text.set_align("top")
            page.set_landscape()
            page.fit_to_pages(1, 0)
        page.freeze_panes(1, 0)
        usual = {key: max(_NARROW, _signs(header)) for key, header in columns}
        for place, (_, header) in enumerate(columns):
            page.write_string(0, place, safe_text(header), head)
        for line, row in enumerate(rows, 1):
            for place, (key, _) in enumerate(columns):
                _put(page, line, place, row.get(key), text=text, money=money)
                if line <= _MEASURED:
                    usual[key] = max(usual[key], _signs(cell_text(row.get(key))))
        for place, (key, _) in enumerate(columns):
            page.set_column(place, place, (widths or {}).get(key, min(_WIDE, usual[key] + 2)))
    return out.getvalue()


def _signs(text: str) -> int:
    """How wide a text is: a Chinese sign takes the room of two."""
    return len(text) + sum(sign > "\u2e7f" for sign in text)


def _put(page: Any, line: int, place: int, value: object, *, text: Any, money: Any) -> None:
    if isinstance(value, Decimal) and value.is_finite() and abs(value) < _EXACT:
        page.write_number(line, place, float(value.quantize(_CENT, ROUND_HALF_UP)), money)
    elif isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < _EXACT:
        page.write_number(line, place, value)
    elif value is not None:
        page.write_string(line, place, _written(value), text)


def _sheet_name(name: str) -> str:
    """Excel allows 31 signs, none of []:*?/\\ and no quote at either end."""
    return re.sub(r"[\[\]:*?/\\]", " ", name).strip(" '")[:31] or "Sheet1"
