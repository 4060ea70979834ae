"""The three genuine-shaped exports: right counts, right states, no number changed by a digit."""

import csv
import json
from collections import Counter
from pathlib import Path

import pytest

from backend.imports.parse import detect, parse_file

SAMPLES = Path(__file__).parents[1] / "data" / "samples"
FILES = {
    "taobao_ExportOrderList.csv": ("taobao", "gb18030", 66, 64, "订单编号"),
    "jd_orders.csv": ("jd", "gb18030", 57, 56, "订单号"),
    "douyin_orders.csv": ("douyin", "utf-8-sig", 65, 64, "主订单编号"),
}


def raw_rows(name: str) -> list[dict[str, str]]:
    encoding = FILES[name][1]
    with (SAMPLES / name).open(encoding=encoding, newline="") as stream:
        return list(csv.DictReader(stream))


@pytest.mark.parametrize("name", FILES)
def test_counts_and_recognition(name):
    platform, encoding, lines, orders, _ = FILES[name]
    parsed = parse_file(SAMPLES / name, name=name)
    assert (parsed.kind, parsed.platform, parsed.encoding) == ("orders", platform, encoding)
    assert (parsed.rows, len(parsed.records), parsed.duplicate_rows) == (lines, orders, lines - orders)
    assert parsed.rejected == ()
    seen = detect((SAMPLES / name).read_bytes(), name)
    assert (seen.kind, seen.platform, len(seen.sample_rows)) == ("orders", platform, 5)


@pytest.mark.parametrize("name", FILES)
def test_no_order_number_differs_by_a_digit(name):
    column = FILES[name][4]
    written = {row[column].strip().removeprefix('="').removesuffix('"') for row in raw_rows(name)}
    parsed = parse_file((SAMPLES / name).read_bytes(), name=name)
    assert {record.order_no for record in parsed.records} == written
    assert all(number.isdigit() for number in written)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("taobao_ExportOrderList.csv", {"to_ship": 45, "completed": 7, "shipped": 7, "unpaid": 5}),
        ("jd_orders.csv", {"to_ship": 45, "unpaid": 4, "completed": 4, "shipped": 3}),
        ("douyin_orders.csv", {"to_ship": 39, "shipped": 12, "completed": 7, "unpaid": 6}),
    ],
)
def test_states(name, expected):
    parsed = parse_file(SAMPLES / name, name=name)
    assert Counter(record.status for record in parsed.records) == expected
    assert {record.refund for record in parsed.records} == {"none"}
    assert all(record.receiver_known for record in parsed.records)


def duplicates(records) -> set[str]:
    """Same phone, receiver, product and quantity, paid, at most 30 minutes apart."""
    found = set()
    open_ones = [r for r in records if r.status == "to_ship" and r.paid_at]
    for one in open_ones:
        for two in open_ones:
            same = all(getattr(one, f) == getattr(two, f) for f in ("phone", "receiver")) and [
                (i.sku or i.name, i.spec, i.quantity) for i in one.items
            ] == [(i.sku or i.name, i.spec, i.quantity) for i in two.items]
            if one is not two and same and abs((one.placed_at - two.placed_at).total_seconds()) <= 1800:
                found.add(one.order_no)
    return found


def short(records, products) -> set[str]:
    """Orders waiting to ship that find too little stock, in order of payment."""
    by_sku = {product.sku: product.available for product in products}
    names = {f"{p.name} {p.spec}": p.sku for p in products} | {p.name: p.sku for p in products}
    found = set()
    for record in sorted((r for r in records if r.status == "to_ship"), key=lambda r: r.paid_at):
        (item,) = record.items
        sku = item.sku or names[item.name]
        if by_sku[sku] < item.quantity:
            found.add(record.order_no)
        else:
            by_sku[sku] -= item.quantity
    return found


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("taobao_ExportOrderList.csv", "taobao_expected.json"),
        ("jd_orders.csv", "jd_expected.json"),
        ("douyin_orders.csv", "douyin_expected.json"),
    ],
)
def test_parsed_facts_give_the_expected_exceptions(name, expected):
    """The kinds that need no reading of addresses follow from the parsed facts alone."""
    wanted = json.loads((SAMPLES / expected).read_text(encoding="utf-8"))
    of_kind = {
        kind: {number for number, kinds in wanted.items() if kind in kinds}
        for kind in ("unpaid", "duplicate", "out_of_stock")
    }
    records = parse_file(SAMPLES / name, name=name).records
    products = parse_file(SAMPLES / "stock.csv", name="stock.csv").records
    assert {r.order_no for r in records if r.status == "unpaid"} == of_kind["unpaid"]
    assert duplicates(records) == of_kind["duplicate"]
    assert short(records, products) == of_kind["out_of_stock"]


def test_taobao_cells_are_unwrapped():
    first = parse_file(SAMPLES / "taobao_ExportOrderList.csv", name="t.csv").records[0]
    assert (first.row, first.order_no, first.phone) == (2, "3920017000060010328", "19800000288")
    assert first.address == "安徽省 蚌埠市 淮上区 育才街104号云栖府13栋4单元1802室"
    assert (first.province, first.city, first.district) == ("安徽省", "蚌埠市", "淮上区")
    assert first.postcode is None  # (000000) says that none was given
    assert first.placed_at.isoformat() == "2026-11-09T01:03:28+08:00"
    assert str(first.amount) == "42.00"


def test_taobao_tracking_number_loses_its_label():
    records = parse_file(SAMPLES / "taobao_ExportOrderList.csv", name="t.csv").records
    sent = next(record for record in records if record.carrier)
    assert sent.tracking_no
    assert sent.tracking_no.isdigit()


def test_stock():
    parsed = parse_file(SAMPLES / "stock.csv", name="stock.csv")
    assert (parsed.kind, parsed.rows, len(parsed.records)) == ("products", 16, 16)
    stock = {record.sku: record.available for record in parsed.records}
    assert (stock["SKU015"], stock["SKU016"]) == (0, 3)
    assert {record.safety_stock for record in parsed.records} == {50}
