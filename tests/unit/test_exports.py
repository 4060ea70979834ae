"""Exports: nothing a spreadsheet would run, numbers of orders as text, money with two decimals."""

import csv
import io
from datetime import date, datetime
from decimal import Decimal

import openpyxl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.exports import safe_text, write_csv, write_xlsx

COLUMNS = [("order_no", "订单号"), ("note", "备注"), ("amount", "金额")]
ROW = {"order_no": "3920017000060010328", "note": "无", "amount": Decimal("1234.5")}
BLANK = " \t\r\n\u00a0\u3000\u200b\u2060\ufeff"


def read_csv(data: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(data.decode("utf-8-sig"), newline="")))


def read_xlsx(data: bytes):
    return openpyxl.load_workbook(io.BytesIO(data)).active


def test_csv_has_a_mark_and_keeps_every_digit():
    data = write_csv([ROW], COLUMNS)
    assert data.startswith(b"\xef\xbb\xbf")
    assert read_csv(data) == [["订单号", "备注", "金额"], ["3920017000060010328", "无", "1234.50"]]
    assert data.count(b"\r\n") == 2


def test_xlsx_ids_are_text_and_money_can_be_added_up():
    page = read_xlsx(write_xlsx([ROW], COLUMNS, "放行/清单:2026"))
    number, note, amount = page[2]
    assert (number.value, number.data_type, number.number_format) == ("3920017000060010328", "s", "@")
    assert (note.value, amount.value, amount.number_format) == ("无", 1234.5, "0.00")
    assert page.title == "放行 清单 2026"
    long = read_xlsx(write_xlsx([ROW, ROW | {"note": "外壳有划痕，请补发一件"}], COLUMNS, "s"))
    widths = [long.column_dimensions[name].width for name in "ABC"]
    assert widths == pytest.approx([21, 24, 12], abs=1)  # what is in a column can be read


@pytest.mark.parametrize(
    "text",
    [
        "=1+1",
        "+86 138",
        "-5",
        "@SUM(A1)",
        "\t=1",
        "\r=1",
        "\n=1",
        "  =1",
        "\u00a0=1",
        "\u3000=1",
        "\u200b=1",
        "\ufeff@x",
        "＝1",
        '=HYPERLINK("http://x")',
        "\tplain",
    ],
)
def test_cells_that_would_run_are_quoted(text):
    assert safe_text(text) == f"'{text}"
    cell = read_csv(write_csv([ROW | {"note": text}], COLUMNS))[1][1]
    assert cell.startswith("'")
    found = read_xlsx(write_xlsx([ROW | {"note": text}], COLUMNS, "s"))["B2"]
    assert (found.data_type, found.value[0]) == ("s", "'")


@pytest.mark.parametrize(
    "text", ["张三", "138****5678", "a=b", "1-2", "", "'x", "满99-20", "https://example.com/"]
)
def test_harmless_text_is_not_touched(text):
    assert safe_text(text) == text


def test_headers_and_other_values():
    columns = [("a", "=a"), ("b", "b"), ("c", "c"), ("d", "d"), ("e", "e"), ("f", "f")]
    row = {
        "a": None,
        "b": True,
        "c": datetime(2026, 11, 9, 1, 3, 28),
        "d": date(2026, 11, 9),
        "e": Decimal("-5"),
        "f": 7,
    }
    assert read_csv(write_csv([row], columns)) == [
        ["'=a", "b", "c", "d", "e", "f"],
        ["", "TRUE", "2026-11-09 01:03:28", "2026-11-09", "'-5.00", "7"],
    ]
    page = read_xlsx(write_xlsx([row], columns, ""))
    assert [cell.value for cell in page[2]] == [None, "TRUE", "2026-11-09 01:03:28", "2026-11-09", -5, 7]
    assert page.title == "Sheet1"


def test_figures_that_a_sheet_cannot_hold_become_text():
    row = {"order_no": 3920017000060010328, "note": float("nan"), "amount": Decimal("NaN")}
    assert [cell.value for cell in read_xlsx(write_xlsx([row], COLUMNS, "s"))[2]] == [
        "3920017000060010328",
        "nan",
        "NaN",
    ]


def test_signs_that_no_sheet_can_hold_are_dropped():
    row = ROW | {"note": "a\x00\x07b\ud800c"}
    assert read_csv(write_csv([row], COLUMNS))[1][1] == "abc"
    assert read_xlsx(write_xlsx([row], COLUMNS, "s"))["B2"].value == "abc"


def test_long_text_is_cut_at_the_limit_of_a_cell():
    page = read_xlsx(write_xlsx([ROW | {"note": "=" + "x" * 40_000}], COLUMNS, "s", widths={"note": 50}))
    assert len(page["B2"].value) == 32_767
    assert page["B2"].alignment.wrap_text, "to read, not to add up"
    assert page.column_dimensions["B"].width == pytest.approx(50, abs=1)


def test_no_rows_still_give_a_header():
    assert read_csv(write_csv([], COLUMNS)) == [["订单号", "备注", "金额"]]
    assert [cell.value for cell in read_xlsx(write_xlsx([], COLUMNS, "s"))[1]] == ["订单号", "备注", "金额"]


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.text(st.sampled_from(BLANK + "=+-@'a中\x00")) | st.text())
def test_no_text_starts_a_formula(text):
    cell = read_csv(write_csv([{"order_no": text, "note": "", "amount": None}], COLUMNS))[1][0]
    assert cell.lstrip(BLANK)[:1] not in ("=", "+", "-", "@") or cell.startswith("'")
    assert cell[:1] not in ("=", "+", "-", "@", "\t", "\r")
