"""Single cells: what is read, and what is refused rather than guessed."""

from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from backend.imports import cells
from backend.imports.cells import BadCell

SHANGHAI = ZoneInfo("Asia/Shanghai")


def problem(reader, raw) -> str:
    with pytest.raises(BadCell) as bad:
        reader(raw)
    return bad.value.key


@pytest.mark.parametrize(
    ("raw", "number"),
    [
        ('="3920017000060010328"', "3920017000060010328"),
        ("69400034778899055\t", "69400034778899055"),
        ("'319000000037", "319000000037"),
        ("１２３４５", "12345"),
        ("#1001", "#1001"),
        ("261109-123456789012345", "261109-123456789012345"),
        ("E20261109010328000001", "E20261109010328000001"),
        ("0012", "0012"),
        ("", None),
        ("-", None),
        ("  \t", None),
    ],
)
def test_numbers_of_orders_are_kept_digit_for_digit(raw, number):
    assert cells.ident(raw) == number


@pytest.mark.parametrize(
    ("raw", "key"),
    [
        ("1.23E+18", "id_scientific"),
        ("3.92e18", "id_scientific"),
        ("4E+18", "id_scientific"),
        ('="3.92E+18"', "id_scientific"),
        ("319000000037.0", "id_decimal"),
        ("=A1+1", "id_formula"),
        ("+86", "id_formula"),
        ("12 34", "id_form"),
        ("12,34", "id_form"),
        ("订单1", "id_form"),
        ("x" * 65, "id_form"),
    ],
)
def test_numbers_that_may_be_wrong_are_refused(raw, key):
    assert problem(cells.ident, raw) == key


@pytest.mark.parametrize(
    ("raw", "amount"),
    [
        ("129", "129.00"),
        ("¥1,234.50", "1234.50"),
        ("￥１，２３４．５０元", "1234.50"),
        ("0元", "0.00"),
        ("CNY 12.3", "12.30"),
        ("12.345", "12.35"),
        ("0.30000000000000004", "0.30"),
        ("1,234,567.8", "1234567.80"),
        ('="12.00"', "12.00"),
    ],
)
def test_money(raw, amount):
    assert str(cells.money(raw)) == amount


def test_no_money_is_not_zero():
    assert cells.money("") is cells.money("-") is cells.money(" \t") is None
    assert cells.money("0") == Decimal(0)


@pytest.mark.parametrize(
    "raw",
    [
        "-5",
        "NaN",
        "nan",
        "inf",
        "1e5",
        "1.2.3",
        "1,23",
        "12,345,6",
        "abc",
        "¥",
        "元",
        "(5.00)",
        "#N/A",
        "9" * 13,
    ],
)
def test_money_that_cannot_be_meant(raw):
    assert problem(cells.money, raw) == "amount"


def test_quantities_are_whole_and_positive():
    assert [cells.quantity(raw) for raw in ("1", "2.0", "３", "4件", "1,000", "")] == [1, 2, 3, 4, 1000, None]
    for raw in ("0", "-1", "1.5", "1e3", "两件", "9" * 12):
        assert problem(cells.quantity, raw) == "quantity"
    assert cells.count("0") == 0


@pytest.mark.parametrize(
    ("raw", "iso"),
    [
        ("2026-11-09 01:03:28", "2026-11-09T01:03:28+08:00"),
        ("2026/11/9 1:03", "2026-11-09T01:03:00+08:00"),
        ("2026.11.09", "2026-11-09T00:00:00+08:00"),
        ("2026年11月9日 1时3分28秒", "2026-11-09T01:03:28+08:00"),
        ("2026-11-09T01:03:28.123Z", "2026-11-09T01:03:28+00:00"),
        ("2026-11-09 01:03:28 +0800", "2026-11-09T01:03:28+08:00"),
        ("2026-11-09 01:03:28 -05:00", "2026-11-09T01:03:28-05:00"),
        ("2026-11-09 01:03+08", None),
        ("20261109010328", "2026-11-09T01:03:28+08:00"),
        ("20261109", "2026-11-09T00:00:00+08:00"),
        ("'2026-11-09 01:03:28\t", "2026-11-09T01:03:28+08:00"),
        ("2026-11-09　01：03：28", "2026-11-09T01:03:28+08:00"),
    ],
)
def test_times(raw, iso):
    when = cells.clock(SHANGHAI, serials=False)
    if iso is None:
        assert problem(when, raw) == "time"
    else:
        assert when(raw).isoformat() == iso


def test_blank_and_impossible_times():
    when = cells.clock(SHANGHAI, serials=False)
    assert when("") is when("-") is when("0000-00-00 00:00:00") is None
    for raw in ("2026-02-30", "2026-11-09 25:00:00", "11/9/2026", "1900-01-01", "昨天", "46335.04"):
        assert problem(when, raw) == "time"


def test_day_numbers_only_in_workbooks():
    when = cells.clock(SHANGHAI, serials=True)
    assert when("46335.5").isoformat() == "2026-11-09T12:00:00+08:00"
    assert problem(when, "99999") == "time"


def test_the_zone_of_the_shop_counts_unless_the_file_names_one():
    when = cells.clock(ZoneInfo("America/New_York"), serials=False)
    assert when("2026-07-01 00:00:00").isoformat() == "2026-07-01T00:00:00-04:00"
    assert when("2026-07-01 00:00:00 +0800").utcoffset().total_seconds() == 8 * 3600


def test_internet_addresses():
    assert cells.address_of_ip("203.0.113.7, 10.0.0.1") == "203.0.113.7"
    assert cells.address_of_ip("::ffff:203.0.113.7") == "203.0.113.7"
    assert cells.address_of_ip("2001:DB8::1") == "2001:db8::1"
    assert cells.address_of_ip("203.0.113.7:52110") == "203.0.113.7"
    for unknown in ("", "-", "unknown", "203.0.*.*"):
        assert cells.address_of_ip(unknown) is None
    assert problem(cells.address_of_ip, "203.0.113.999") == "ip"


def test_quotes_of_careful_exporters_are_not_part_of_the_text():
    assert cells.text("'=1+1") == "=1+1"
    assert cells.text("'\t@x") == "@x"
    assert cells.text("'twas") == "'twas"
    assert cells.plain("'13800000001") == "13800000001"
    assert cells.text("null") == cells.text("—") == ""
