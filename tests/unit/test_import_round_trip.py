"""What we write, we read back: any own-shop order survives the writer and the reader, in CSV and in XLSX."""

import string
from contextlib import suppress
from datetime import datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from backend.exports import write_csv, write_xlsx
from backend.imports.cells import text
from backend.imports.parse import parse_file
from backend.imports.records import FileRefused, OrderItem, OrderRecord
from tests.unit.import_files import HEADERS, OWN, inline_row, raw_workbook, sheet

SHANGHAI = ZoneInfo("Asia/Shanghai")
COLUMNS = [(header, header) for header in HEADERS["own_shop_21"]]
STATES = {
    "待付款": "unpaid",
    "待发货": "to_ship",
    "已发货": "shipped",
    "已完成": "completed",
    "已关闭": "closed",
}

# Any words a person can type; what the reader cleans (blanks at the ends, controls) is cleaned here as well.
dirty = st.text(
    st.characters(exclude_categories=("Cs", "Cn")) | st.sampled_from("=+-@,;\"'\t\n《》·（）"), max_size=40
)
words = dirty.map(text).filter(lambda value: text(value) == value)
some_words = words.filter(bool)
times = st.integers(0, 3 * 365 * 86400).map(
    lambda seconds: datetime(2025, 1, 1, tzinfo=SHANGHAI) + timedelta(seconds=seconds)
)
money = st.decimals(0, 99_999_999, places=2, allow_nan=False, allow_infinity=False)
numbers = st.text(string.digits, min_size=19, max_size=32).filter(lambda digits: digits[15:].strip("0"))
items = st.builds(
    OrderItem,
    line_no=st.just(1),
    sku=st.text(string.ascii_uppercase + string.digits, min_size=1, max_size=12).map(lambda code: f"S{code}"),
    name=some_words,
    spec=words,
    quantity=st.integers(1, 9999),
    unit_price=money,
)


@st.composite
def orders(draw) -> OrderRecord:
    words_of_state = draw(st.sampled_from(sorted(STATES)))
    return OrderRecord(
        row=2,
        order_no=draw(numbers),
        platform_status=words_of_state,
        status=STATES[words_of_state],
        refund="none",
        placed_at=draw(times),
        paid_at=draw(st.none() | times),
        shipped_at=None,
        completed_at=None,
        promise_ship_at=None,
        amount=draw(money),
        buyer_account=draw(words) or None,
        receiver=draw(words) or None,
        phone=draw(st.from_regex(r"(\+86 )?1[3-9][0-9]{9}(-[0-9]{4})?", fullmatch=True)),
        province=draw(words) or None,
        city=draw(words) or None,
        district=draw(words) or None,
        address=draw(words) or None,
        postcode=draw(st.from_regex(r"[0-9]{6}", fullmatch=True)),
        buyer_note=draw(words) or None,
        seller_note=None,
        ip=str(draw(st.ip_addresses(v=4))),
        device=draw(words) or None,
        carrier=None,
        tracking_no=None,
        items=(draw(items),),
        receiver_known=True,
    )


def as_row(record: OrderRecord) -> dict[str, object]:
    item = record.items[0]
    values = [
        *(record.order_no, record.placed_at, record.paid_at, record.platform_status, record.buyer_account),
        *(record.receiver, record.phone, record.province, record.city, record.district, record.address),
        *(record.postcode, item.sku, item.name, item.spec, item.quantity, item.unit_price, record.amount),
        *(record.ip, record.device, record.buyer_note),
    ]
    return dict(zip(HEADERS["own_shop_21"], values, strict=True))


def facts(record: OrderRecord) -> dict[str, object]:
    item = record.items[0]
    return as_row(record) | {
        "status": record.status,
        "amount": Decimal(record.amount or 0),
        "price": Decimal(item.unit_price or 0),
    }


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.lists(orders(), min_size=1, max_size=6, unique_by=lambda record: record.order_no))
def test_orders_survive_csv_and_xlsx(records):
    rows = [as_row(record) for record in records]
    for data in (write_csv(rows, COLUMNS), write_xlsx(rows, COLUMNS, "订单")):
        parsed = parse_file(data, name="orders")
        assert parsed.rejected == ()
        assert [facts(record) for record in parsed.records] == [facts(record) for record in records]
        assert {record.order_no for record in parsed.records} == {record.order_no for record in records}


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.binary(max_size=400))
def test_any_bytes_are_refused_or_read_but_never_break(data):
    for start in (b"", b"PK\x03\x04", ",".join(HEADERS["own_shop_21"]).encode() + b"\r\n"):
        try:
            parsed = parse_file(start + data, name="x.csv")
        except FileRefused:
            continue
        lines = sum(len(record.items) for record in parsed.records)
        assert parsed.rows == lines + len(parsed.rejected) + parsed.duplicate_rows


BOOK = write_xlsx([dict.fromkeys(HEADERS["own_shop_21"], "1")], COLUMNS, "s")
XML = sheet(
    inline_row(1, HEADERS["own_shop_21"]) + inline_row(2, OWN.values()) + '<row r="3"><c><v>1</v></c></row>'
)
changes = st.lists(
    st.tuples(st.floats(0, 1, exclude_max=True), st.binary(max_size=6), st.integers(0, 6)), max_size=6
)


def damaged(data: bytes, mutations) -> bytes:
    for at, put, drop in mutations:
        place = int(at * len(data))
        data = data[:place] + put + data[place + drop :]
    return data


@settings(max_examples=150, deadline=None, derandomize=True)
@given(changes)
def test_damaged_workbooks_are_refused_or_read_but_never_break(mutations):
    xml = damaged(XML.encode(), mutations).decode("utf-8", "replace")
    for data in (
        damaged(BOOK, mutations),
        raw_workbook(xml),
        raw_workbook(XML, xl__styles=xml, xl__sharedStrings=xml),
    ):
        with suppress(FileRefused):
            parsed = parse_file(data, name="x.xlsx")
            assert parsed.rows == len(parsed.records) + len(parsed.rejected) + parsed.duplicate_rows
