"""Builds files as platforms write them, cell by cell, for the import tests."""

import csv
import io
import json
import zipfile
from pathlib import Path

import openpyxl

HEADERS = json.loads(
    (Path(__file__).parents[1] / "data" / "order_export_headers.json").read_text(encoding="utf-8")
)

OWN = {
    "订单号": "2026110900001",
    "下单时间": "2026-11-09 01:03:28",
    "支付时间": "2026-11-09 01:04:28",
    "订单状态": "待发货",
    "买家账号": "buyer_0001",
    "收货人": "顾客甲",
    "手机号": "13800000001",
    "省": "浙江省",
    "市": "杭州市",
    "区": "西湖区",
    "详细地址": "文三路1号1栋101室",
    "邮编": "310012",
    "商品编码": "SKU001",
    "商品名称": "加厚珊瑚绒睡衣套装",
    "规格": "粉色 L",
    "数量": "2",
    "单价": "129.00",
    "实付金额": "258.00",
    "下单IP": "203.0.113.7",
    "设备标识": "dev-1",
    "买家备注": "请尽快发货",
}


def text_table(headers, rows, *, delimiter=",", quoting=csv.QUOTE_MINIMAL) -> str:
    """Rows are dicts by header or lists of cells."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter=delimiter, quoting=quoting, lineterminator="\r\n")
    writer.writerow(headers)
    for row in rows:
        writer.writerow([row.get(header, "") for header in headers] if isinstance(row, dict) else row)
    return out.getvalue()


def table(headers, rows, *, encoding="utf-8-sig", delimiter=",") -> bytes:
    return text_table(headers, rows, delimiter=delimiter).encode(encoding)


def own(*changes: dict[str, str], encoding="utf-8-sig", without=()) -> bytes:
    """An own-shop file with one line for each set of changes; orders numbered on unless a change says so."""
    headers = [header for header in HEADERS["own_shop_21"] if header not in without]
    extra = [header for change in changes for header in change if header not in headers]
    headers += list(dict.fromkeys(extra))
    rows = [OWN | {"订单号": f"20261109{number:05d}"} | change for number, change in enumerate(changes, 1)]
    return table(headers, rows, encoding=encoding)


def workbook(rows, *, sheets=None) -> bytes:
    """An xlsx by openpyxl: values keep their Python types."""
    book = openpyxl.Workbook()
    page = book.active
    for row in rows:
        page.append(row)
    for title, more in (sheets or {}).items():
        page = book.create_sheet(title)
        for row in more:
            page.append(row)
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def own_rows(*changes: dict) -> list[list]:
    """Header and rows of own-shop orders for `workbook`."""
    headers = HEADERS["own_shop_21"]
    rows = [OWN | {"订单号": f"20261109{number:05d}"} | change for number, change in enumerate(changes, 1)]
    return [headers, *([row[header] for header in headers] for row in rows)]


def raw_workbook(sheet_xml: str, **parts: str) -> bytes:
    """An xlsx of hand-written XML: what no library would write."""
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    relations = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    files = {
        "xl/workbook.xml": f'<workbook xmlns="{main}" xmlns:r="{relations}"><sheets>'
        '<sheet name="S" sheetId="1" r:id="rId1"/></sheets></workbook>',
        "xl/_rels/workbook.xml.rels": '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/'
        'relationships"><Relationship Id="rId1" Target="worksheets/sheet1.xml"/></Relationships>',
        "xl/worksheets/sheet1.xml": sheet_xml,
        **{path.replace("__", "/") + ".xml": xml for path, xml in parts.items()},
    }
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, xml in files.items():
            archive.writestr(path, xml)
    return out.getvalue()


def sheet(rows_xml: str, before: str = "") -> str:
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    data = f"<sheetData>{rows_xml}</sheetData>"
    return f'<?xml version="1.0"?>{before}<worksheet xmlns="{main}">{data}</worksheet>'


def inline_row(number: int, cells) -> str:
    """One <row> of inline texts."""
    body = "".join(f'<c t="inlineStr"><is><t>{cell}</t></is></c>' for cell in cells)
    return f'<row r="{number}">{body}</row>'
