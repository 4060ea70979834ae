"""Ugly files: every one is read without loss, or refused with its reason."""

import io
import struct
import zipfile
from datetime import datetime

import pytest

from backend.imports import limits
from backend.imports.parse import detect, parse_file
from backend.imports.reader import open_table
from backend.imports.records import FileRefused
from tests.unit.import_files import (
    HEADERS,
    OWN,
    inline_row,
    own,
    own_rows,
    raw_workbook,
    sheet,
    table,
    text_table,
    workbook,
)


def refusal(data, name="orders.csv", **options) -> str:
    with pytest.raises(FileRefused) as refused:
        parse_file(data, name=name, **options)
    return refused.value.key


def orders(data, name="orders.csv"):
    parsed = parse_file(data, name=name)
    assert parsed.rejected == (), parsed.rejected
    return parsed.records


# --- encodings and delimiters ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("codec", "mark", "shown"),
    [
        ("utf-8", b"", "utf-8"),
        ("utf-8", b"\xef\xbb\xbf", "utf-8-sig"),
        ("gbk", b"", "gb18030"),
        ("gb18030", b"", "gb18030"),
        ("utf-16-le", b"\xff\xfe", "utf-16-le"),
        ("utf-16-be", b"\xfe\xff", "utf-16-be"),
    ],
)
def test_encodings_give_the_same_order(codec, mark, shown):
    data = mark + text_table(HEADERS["own_shop_21"], [OWN]).encode(codec)
    parsed = parse_file(data, name="orders.csv")
    assert parsed.encoding == shown
    assert (parsed.records[0].receiver, parsed.records[0].city) == ("顾客甲", "杭州市")


def test_rare_characters_of_gb18030_survive():
    data = own({"收货人": "㐂𠮷", "详细地址": "䶮路1号"}, encoding="gb18030")
    record = orders(data)[0]
    assert (record.receiver, record.address) == ("㐂𠮷", "䶮路1号")


def test_broken_encodings_are_refused_not_guessed():
    good = text_table(HEADERS["own_shop_21"], [OWN, OWN | {"订单号": "2"}]).encode("utf-8")
    assert refusal(good[:-40] + b"\xff\xfe\xfd" + good[-40:]) == "encoding_damaged"
    assert refusal(good[:300].rsplit(b",", 1)[0] + "杭".encode()[:2]) == "encoding_damaged"
    assert refusal(b"a,b\r\n\x81\xff,\xff\xff") == "encoding_unknown"
    assert refusal("订单号,状态\r\n1,2".encode("utf-16-le")) == "nul_bytes"
    assert refusal(good.replace("杭州市".encode(), b"\x00")) == "nul_bytes"


def test_the_damaged_line_is_named():
    good = text_table(HEADERS["own_shop_21"], [OWN, OWN | {"订单号": "2"}]).encode("utf-8")
    with pytest.raises(FileRefused) as refused:
        parse_file(good[:-40] + b"\xff" + good[-40:], name="x.csv")
    assert refused.value.params == {"line": 3}


@pytest.mark.parametrize("delimiter", [",", "\t", ";"])
def test_delimiters(delimiter):
    data = table(HEADERS["own_shop_21"], [OWN | {"详细地址": "a,b;c"}], delimiter=delimiter)
    assert orders(data)[0].address == "a,b;c"


def test_excel_line_that_names_the_delimiter():
    data = b"sep=;\r\n" + table(HEADERS["own_shop_21"], [OWN], encoding="utf-8", delimiter=";")
    record = orders(data)[0]
    assert (record.row, record.order_no) == (3, OWN["订单号"])


# --- rows, lines, cells ------------------------------------------------------------------------------------


def test_line_numbers_count_physical_lines():
    data = own({"详细地址": "一行\r\n两行"}, {}, {"数量": "0"})
    data = data.replace(b"\r\n20261109", b"\r\n\r\n20261109", 1)  # a blank line after the header
    parsed = parse_file(data, name="x.csv")
    assert [record.row for record in parsed.records] == [3, 5]
    assert [rejected.row for rejected in parsed.rejected] == [6]
    assert parsed.rows == 3
    assert parsed.records[0].address == "一行  两行"


def test_ragged_rows_are_refused_with_the_reason():
    cells = [OWN[header] for header in HEADERS["own_shop_21"]]
    wide = ["2", *cells[1:], "", ""]
    data = table(HEADERS["own_shop_21"], [cells[:-2], [*cells, "x"], wide])
    parsed = parse_file(data, name="x.csv")
    assert [(r.row, r.key) for r in parsed.rejected] == [(2, "ragged"), (3, "ragged")]
    assert parsed.rejected[0].params == {"found": 19, "expected": 21}
    assert [record.row for record in parsed.records] == [4]  # blank cells beyond the header are harmless


def test_a_quote_that_swallows_rows_is_named():
    rows = [OWN | {"订单号": str(number)} for number in range(1, 6)]
    text = text_table(HEADERS["own_shop_21"], rows).replace("请尽快发货", '"请尽快发货', 1)
    parsed = parse_file(text.encode(), name="x.csv")
    assert parsed.records == ()
    assert [(r.row, r.key, r.params) for r in parsed.rejected] == [(2, "quote_lines", {"last": 6})]
    flood = text + text_table(HEADERS["own_shop_21"], rows * 800)
    assert refusal(flood.encode()) == "quote_open"


def test_controls_directions_and_odd_blanks_are_cleaned():
    data = own(
        {"收货人": "\u202e顾\u200b客\x07甲\u00a0", "订单号": "\u200e2026\u20600001\t", "规格": "粉色\u3000L"}
    )
    record = orders(data)[0]
    assert (record.receiver, record.order_no, record.items[0].spec) == ("顾客甲", "20260001", "粉色 L")


def test_title_rows_before_the_header_are_skipped():
    data = ("订单导出\r\n2026-11-01,2026-11-09\r\n").encode() + own({})[3:]
    record = orders(data)[0]
    assert record.row == 4


@pytest.mark.parametrize("ending", ["", "\r\n", "\r\n\r\n  \r\n"])
def test_empty_and_header_only(ending):
    assert refusal(ending.encode()) == "file_empty"
    assert refusal((",".join(HEADERS["own_shop_21"]) + ending).encode()) == "file_no_rows"
    assert refusal(b"\xef\xbb\xbf") == "file_empty"


def test_words_without_a_table():
    assert refusal("你好\r\n世界\r\n".encode()) == "file_no_header"
    assert refusal(b"a,b,c\r\n1,2,3\r\n") == "headers_unknown"


def test_missing_and_doubled_columns():
    assert refusal(own({}, without=("订单状态",))) == "columns_missing"
    with pytest.raises(FileRefused) as refused:
        parse_file(own({}, without=("订单状态", "数量")), name="x.csv")
    assert refused.value.params == {"columns": "订单状态、数量"}
    with pytest.raises(FileRefused) as refused:
        parse_file(own({}, without=("手机号",)), name="x.csv")
    assert refused.value.params == {"columns": "手机号"}
    doubled = table([*HEADERS["own_shop_21"], "手机号"], [[*OWN.values(), "13900000000"]])
    assert refusal(doubled) == "headers_doubled"
    unused = table([*HEADERS["own_shop_21"], "x", "x"], [[*OWN.values(), "1", "2"]])
    assert detect(unused, "x.csv").headers[-2:] == ("x", "x (2)")
    assert len(orders(unused)) == 1


def test_shuffled_and_surplus_columns():
    headers = [*reversed(HEADERS["own_shop_21"]), "以后新增的列"]
    assert orders(table(headers, [OWN]))[0].phone == OWN["手机号"]


# --- limits ------------------------------------------------------------------------------------------------


def test_large_files_are_refused(monkeypatch, tmp_path):
    monkeypatch.setattr("backend.imports.reader.MAX_BYTES", 2000)
    big = own(*({} for _ in range(20)))
    (tmp_path / "big.csv").write_bytes(big)
    assert refusal(big) == refusal(io.BytesIO(big)) == refusal(tmp_path / "big.csv") == "file_large"


def test_too_many_rows_columns_and_signs(monkeypatch):
    monkeypatch.setattr("backend.imports.reader.MAX_ROWS", 3)
    assert len(orders(own({}, {}, {}))) == 3
    assert refusal(own({}, {}, {}, {})) == "rows_many"
    assert refusal(own({}).replace(b"\r\n", b"," * 600 + b"\r\n", 1)) == "columns_many"
    assert refusal(own({"买家备注": "x" * 32_768})) == "cell_long"
    assert orders(own({"买家备注": "x" * 32_767}))[0].buyer_note == "x" * 32_767


def test_a_line_or_a_file_of_nothing_but_signs_is_refused():
    assert refusal(b"a,b" + b"," * limits.MAX_LINE) == "columns_many"
    assert refusal(b"a,b\n" + b"\n" * limits.MAX_LINES) == "rows_many"


# --- other formats -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "key"),
    [
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "workbook_old"),
        (b"\xd0\xcf\x11\xe0" + bytes(90) + "EncryptedPackage".encode("utf-16-le"), "workbook_locked"),
        (b"<html><table><tr><td>1</td></tr></table></html>", "web_page"),
        (b'\xef\xbb\xbf\r\n<?xml version="1.0"?><Workbook/>', "web_page"),
        (b"%PDF-1.7\n", "not_a_table"),
        (b"\x1f\x8b\x08\x00abc", "not_a_table"),
        (b"PK\x03\x04 not a zip at all", "workbook_damaged"),
    ],
)
def test_files_that_only_look_like_tables(data, key):
    assert refusal(data, name="orders.xls") == key


def zipped(**files: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, data in files.items():
            archive.writestr(path.replace("__", "/"), data)
    return out.getvalue()


def test_other_zip_files():
    assert refusal(zipped(orders=own({})), name="orders.zip") == "zip_other"
    assert refusal(zipped(xl__workbook=b"", **{"xl__workbook.bin": b""}), name="o.xlsb") == "workbook_binary"
    assert refusal(workbook(own_rows({}))[:-300], name="o.xlsx") == "workbook_damaged"


# --- workbooks ---------------------------------------------------------------------------------------------


def test_workbook_gives_the_same_record_as_text():
    from_book = orders(workbook(own_rows({})), name="o.xlsx")[0]
    assert from_book == orders(own({}))[0]
    assert parse_file(workbook(own_rows({})), name="o.xlsx").encoding == "xlsx"


def test_numbers_dates_and_short_rows_of_a_workbook():
    rows = own_rows(
        {
            "订单号": 319000000037,
            "手机号": 13800000001,
            "数量": 2,
            "单价": 129.9,
            "实付金额": 0.1 + 0.2,
            "下单时间": datetime(2026, 11, 9, 1, 3, 28),
            "支付时间": 46335.25,
            "买家备注": None,
            "设备标识": None,
        }
    )
    record = orders(workbook(rows), name="o.xlsx")[0]
    assert (record.order_no, record.phone, record.items[0].quantity) == ("319000000037", "13800000001", 2)
    assert (str(record.amount), str(record.items[0].unit_price)) == ("0.30", "129.90")
    assert record.placed_at.isoformat() == "2026-11-09T01:03:28+08:00"
    assert record.paid_at.isoformat() == "2026-11-09T06:00:00+08:00"


@pytest.mark.parametrize("number", [3920017000060010328, 3.920017000060010e18, "1.23E+18", "3.92002E18"])
def test_order_numbers_that_lost_digits_are_refused(number):
    parsed = parse_file(workbook(own_rows({"订单号": number}, {})), name="o.xlsx")
    assert [(r.row, r.column, r.key) for r in parsed.rejected] == [(2, "订单号", "id_scientific")]
    assert [record.order_no for record in parsed.records] == ["2026110900002"]


def test_long_order_numbers_as_text_keep_every_digit():
    record = orders(workbook(own_rows({"订单号": "3920017000060010328"})), name="o.xlsx")[0]
    assert record.order_no == "3920017000060010328"


def test_numbers_that_excel_filled_with_zeros_are_refused():
    lost = own({"订单号": "392001700006001000"}, {"订单号": "392001700006002000"})
    parsed = parse_file(lost, name="x.csv")
    assert [(r.row, r.key) for r in parsed.rejected] == [(2, "id_lost_digits"), (3, "id_lost_digits")]
    chance = own({"订单号": "392001700006001000"}, {"订单号": "392001700006002123"})
    assert len(orders(chance)) == 2


def test_formulas_are_text():
    rows = own_rows({"商品名称": "=1+1"}, {"订单号": "=A2"})
    parsed = parse_file(workbook(rows), name="o.xlsx")
    assert parsed.records[0].items[0].name == "=1+1"
    assert [(r.row, r.key) for r in parsed.rejected] == [(3, "id_formula")]
    parsed = parse_file(own({"订单号": '=HYPERLINK("http://x")', "商品名称": "@SUM(A1)"}), name="o.csv")
    assert [r.key for r in parsed.rejected] == ["id_formula"]


def test_the_first_sheet_with_known_headers_is_read():
    data = workbook([["说明"], ["请勿修改"]], sheets={"订单": own_rows({})})
    parsed = parse_file(data, name="o.xlsx")
    assert len(parsed.records) == 1
    assert [(note.key, note.params) for note in parsed.notes] == [("sheet_chosen", {"sheet": "订单"})]


def test_dimension_and_missing_references_are_not_believed():
    rows = [HEADERS["own_shop_21"], list(OWN.values())]
    body = "".join(inline_row(number, cells) for number, cells in enumerate(rows, 1))
    xml = sheet(body).replace("<sheetData>", '<dimension ref="A1:XFD1048576"/><sheetData>')
    assert orders(raw_workbook(xml), name="o.xlsx")[0].order_no == OWN["订单号"]


def test_stray_cells_far_away():
    rows = [HEADERS["own_shop_21"], list(OWN.values())]
    body = "".join(inline_row(number, cells) for number, cells in enumerate(rows, 1))
    blank = '<row r="1048576"><c r="XFD1048576" s="1"/></row>'
    assert len(orders(raw_workbook(sheet(body + blank)), name="o.xlsx")) == 1
    far = '<row r="1048576"><c r="XFD1048576"><v>1</v></c></row>'
    assert refusal(raw_workbook(sheet(body + far)), name="o.xlsx") == "columns_many"
    low = '<row r="1048576"><c r="A1048576"><v>1</v></c></row>'
    parsed = parse_file(raw_workbook(sheet(body + low)), name="o.xlsx")
    assert [r.row for r in parsed.rejected] == [1048576]


def test_rich_text_phonetics_and_escapes():
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    shared = (
        f'<sst xmlns="{main}"><si><r><t>顾客</t></r><r><t>甲</t></r><rPh><t>gu</t></rPh></si>'
        "<si><t>a_x000D_b</t></si></sst>"
    )
    cells = '<c r="A1" t="s"><v>0</v></c><c r="C1" t="s"><v>1</v></c><c r="D1" t="b"><v>1</v></c>'
    xml = sheet(f'<row r="1">{cells}</row>')
    rows = list(open_table(raw_workbook(xml, xl__sharedStrings=shared), name="x.xlsx").rows())
    assert rows[0].cells == ("顾客甲", "", "a\rb", "TRUE")


def test_prefixed_xml_is_read():
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    xml = (
        f'<x:worksheet xmlns:x="{main}"><x:sheetData><x:row r="3"><x:c r="B3"><x:v>7</x:v></x:c></x:row>'
        "</x:sheetData></x:worksheet>"
    )
    rows = list(open_table(raw_workbook(xml), name="x.xlsx").rows())
    assert [(row.line, row.cells) for row in rows] == [(3, ("", "7"))]


# --- hostile workbooks -------------------------------------------------------------------------------------


def test_entities_and_document_types_are_refused():
    laughs = '<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]>'
    xml = sheet('<row r="1"><c t="inlineStr"><is><t>&b;</t></is></c></row>', before=laughs)
    assert refusal(raw_workbook(xml), name="o.xlsx") == "workbook_hostile"
    outside = '<!DOCTYPE x SYSTEM "file:///etc/passwd">'
    assert refusal(raw_workbook(sheet("", before=outside)), name="o.xlsx") == "workbook_hostile"


def test_zip_bombs_are_refused_by_the_directory(monkeypatch):
    def never(*_args):
        raise AssertionError("a bomb must not be unpacked")

    bomb = zipped(**{"xl__workbook.xml": b"", "xl__worksheets__sheet1.xml": b" " * 30_000_000})
    crowd = zipped(**{f"xl__{number}": b"" for number in range(limits.MAX_ENTRIES + 1)})
    monkeypatch.setattr(zipfile.ZipFile, "open", never)
    assert refusal(bomb, name="o.xlsx") == "zip_bomb"
    assert refusal(crowd, name="o.xlsx") == "zip_bomb"


def test_declared_sizes_count_even_if_they_lie():
    data = bytearray(raw_workbook(sheet("")))
    at = data.rfind(b"PK\x01\x02")  # the last entry of the directory: claim 4 GB for it
    struct.pack_into("<I", data, at + 24, 0xF0000000)
    assert refusal(bytes(data), name="o.xlsx") == "zip_bomb"


def test_an_entry_larger_than_declared_is_not_read_on():
    data = bytearray(raw_workbook(sheet(inline_row(1, ["a", "b"]) * 50)))
    at = data.rfind(b"PK\x01\x02")
    struct.pack_into("<I", data, at + 24, 10)
    assert refusal(bytes(data), name="o.xlsx") == "workbook_damaged"


def test_too_many_columns_in_a_workbook():
    assert refusal(raw_workbook(sheet(inline_row(1, ["x"] * 513))), name="o.xlsx") == "columns_many"
    assert refusal(raw_workbook(sheet(inline_row(1, ["x" * 32_768, "y"]))), name="o.xlsx") == "cell_long"
