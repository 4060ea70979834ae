"""Hours and holiday lists as people write them."""

from __future__ import annotations

import json

import pytest

from backend import calendars
from backend.errors import AppError

HOURS = {
    "08:00–16:30": ((480, 990),),
    "8:00-24:00": ((480, 1440),),
    "16:00 ～ 24:00": ((960, 1440),),
    "22:00-02:00": ((1320, 1560),),
    "22:00–+02:00": ((1320, 1560),),
    "22:00 至 次日 02:00": ((1320, 1560),),
    "00:00-24:00": ((0, 1440),),
    "09:00–12:00，13:00–18:00": ((540, 720), (780, 1080)),
    "": (),
}


@pytest.mark.parametrize("text", HOURS)
def test_hours(text: str) -> None:
    assert calendars.parse_hours(text) == HOURS[text]
    assert calendars.parse_hours(calendars.hours_text(HOURS[text])) == HOURS[text]


@pytest.mark.parametrize(
    "text", ["8", "8:00", "08:00–16:75", "25:00–26:00", "08:00–16:30 x", "08:00–49:00", "=1"]
)
def test_hours_that_mean_nothing(text: str) -> None:
    with pytest.raises(AppError, match=r"calendar\.bad_hours"):
        calendars.parse_hours(text)


def test_a_year_out_of_a_file_keeps_four_facts() -> None:
    data = {"year": 2027, "holidays": ["2027-01-01"], "makeup_workdays": [], "source": "通知", "more": 1}
    found = calendars.read_year(json.dumps(data).encode())
    assert found == {key: data[key] for key in ("year", "holidays", "makeup_workdays", "source")}
    assert calendars.as_year(found).holidays[0].isoformat() == "2027-01-01"


@pytest.mark.parametrize("data", [b"", b"[]", b"\xff", b"{", b"[" * 100_000, b'"' + b"x" * 300_000 + b'"'])
def test_files_that_are_no_list(data: bytes) -> None:
    with pytest.raises(AppError, match=r"calendar\.bad_list"):
        calendars.read_year(data)


@pytest.mark.parametrize(
    "found",
    [
        {"year": 2027, "holidays": ["x"], "makeup_workdays": []},
        {"year": 2027, "holidays": [], "makeup_workdays": None},
        {"year": "2027", "holidays": [], "makeup_workdays": []},
        {"year": 2027, "holidays": [5], "makeup_workdays": []},
    ],
)
def test_lists_that_cannot_be_shown(found: dict[str, object]) -> None:
    with pytest.raises(AppError, match=r"calendar\.bad_list"):
        calendars.as_year(found)


def test_typed_dates() -> None:
    assert calendars.typed_dates("2027-01-01~2027-01-03, 2027-4-5；2027-01-02", "holidays") == [
        "2027-01-01",
        "2027-01-02",
        "2027-01-03",
        "2027-04-05",
    ]
    assert calendars.typed_dates("", "holidays") == []


@pytest.mark.parametrize(
    "raw", ["2027-02-30", "2027-01-05~2027-01-01", "元旦", "2027-01-01~2027-12-31", "2027-01-01 x"]
)
def test_typed_dates_that_mean_nothing(raw: str) -> None:
    with pytest.raises(AppError, match=r"calendar\.bad_list"):
        calendars.typed_dates(raw, "holidays")
