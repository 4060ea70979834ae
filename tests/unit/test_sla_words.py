"""Times as people write and read them, and the three lines that explain a deadline."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from backend import sla
from backend.errors import AppError

SHANGHAI = ZoneInfo("Asia/Shanghai")
NEW_YORK = ZoneInfo("America/New_York")


def local(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=SHANGHAI)  # type: ignore[misc]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-22T15:30", local(2026, 11, 22, 15, 30)),
        ("2026-11-22 15:30:07", local(2026, 11, 22, 15, 30, 7)),
        ("2026-11-22T15:30+08:00", local(2026, 11, 22, 15, 30)),
        ("2026-11-22T15:30Z", local(2026, 11, 22, 23, 30)),
        ("2026-11-22T15:30-05:00", local(2026, 11, 23, 4, 30)),
        ("2026-11-22", local(2026, 11, 22)),
        (" 2026-11-22T15:30 ", local(2026, 11, 22, 15, 30)),
        ("2026-11-22T24:00", local(2026, 11, 23)),
        ("2026-12-31 24:00:00", local(2027, 1, 1)),
        ("2028-02-28T24:00+08:00", local(2028, 2, 29)),
        ("2026-11-22T24:00Z", local(2026, 11, 23, 8)),
    ],
)
def test_reads_a_time(text: str, expected: datetime) -> None:
    assert sla.read_instant(text, SHANGHAI) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "tomorrow",
        "2026-02-30T10:00",
        "2026-11-22T25:00",
        "2026-11-22T24:30",
        "2026-11-22T24:00:01",
        "9999-12-31T24:00",
    ],
)
def test_refuses_what_is_no_time(text: str) -> None:
    with pytest.raises(AppError) as refusal:
        sla.read_instant(text, SHANGHAI)
    assert (refusal.value.key, refusal.value.params) == ("sla.bad_time", {"text": text})


def test_a_local_time_without_offset_belongs_to_the_calendars_zone() -> None:
    assert sla.read_instant("2026-07-01T10:00", NEW_YORK) == datetime(2026, 7, 1, 14, tzinfo=UTC)


def test_reads_a_pause() -> None:
    both = sla.read_pause("2026-11-22T10:00/2026-11-22T11:00", SHANGHAI)
    assert both == (local(2026, 11, 22, 10), local(2026, 11, 22, 11))
    assert sla.read_pause("2026-11-22T10:00/", SHANGHAI) == (local(2026, 11, 22, 10), None)


@pytest.mark.parametrize(
    "text", ["2026-11-22T10:00", "2026-11-22T11:00/2026-11-22T10:00", "/", "/2026-11-22T10:00", "a/b"]
)
def test_refuses_what_is_no_pause(text: str) -> None:
    with pytest.raises(AppError) as refusal:
        sla.read_pause(text, SHANGHAI)
    assert refusal.value.key in ("sla.bad_pause", "sla.bad_time")


def test_pauses_as_postgres_reads_them() -> None:
    pauses = [(local(2026, 11, 22, 10), local(2026, 11, 22, 11)), (local(2026, 11, 23, 10), None)]
    assert sla.as_multirange(pauses) == (
        '{["2026-11-22T10:00:00+08:00","2026-11-22T11:00:00+08:00"),["2026-11-23T10:00:00+08:00",)}'
    )
    assert sla.as_multirange([]) == "{}"


def test_midnight_ends_the_day_before() -> None:
    midnight = local(2026, 11, 23)
    assert sla.show_end(midnight, SHANGHAI) == "11-22 24:00"
    assert sla.show_end(midnight, SHANGHAI, date="%Y-%m-%d") == "2026-11-22 24:00"
    assert sla.show_end(midnight.astimezone(UTC), SHANGHAI) == "11-22 24:00"
    assert sla.show_end(midnight + timedelta(seconds=1), SHANGHAI) == "11-23 00:00:01"
    assert sla.show_instant(midnight, SHANGHAI) == "11-23 00:00"
    assert sla.show_end(local(2026, 11, 22, 9, 30), NEW_YORK) == "11-21 20:30"


FACTS: dict[str, Any] = {
    "timezone": "Asia/Shanghai",
    "measure": "working",
    "policy": "订单异常审核",
    "calendar": "早班＋晚班",
    "allowance": 120,
    "used_before": 0,
    "counted_from": "2026-11-22T15:30:00+00:00",
    "minutes": 120,
    "windows_count": 2,
    "windows": [
        {"from": "2026-11-22T15:30:00+00:00", "to": "2026-11-22T16:00:00+00:00", "minutes": 30},
        {"from": "2026-11-23T00:00:00+00:00", "to": "2026-11-23T01:30:00+00:00", "minutes": 90},
    ],
    "pauses": [
        {"from": "2026-11-23T00:10:00+00:00", "to": "2026-11-23T04:00:00+00:00", "reason": "等待客户"}
    ],
}


def test_three_lines_in_chinese() -> None:
    assert sla.explain_lines(FACTS) == (
        "11-22 23:30 开始，「订单异常审核」给 120 分钟，按早班＋晚班计时。",
        "计入：11-22 23:30–24:00（30 分钟）、11-23 08:00–09:30（90 分钟）。",
        "不计：11-23 08:10–12:00 等待客户。",
    )


def test_three_lines_in_english() -> None:
    assert sla.explain_lines(FACTS, "en") == (
        'Started 11-22 23:30; "订单异常审核" allows 120 min, counted by 早班＋晚班.',
        "Counted: 11-22 23:30–24:00 (30 min), 11-23 08:00–09:30 (90 min).",
        "Not counted: 11-23 08:10–12:00 等待客户.",
    )


def test_three_lines_of_other_clocks() -> None:
    running_pause = [{"from": "2026-11-23T00:10:00+00:00", "to": None, "reason": "等待客户"}]
    wall = FACTS | {"calendar": None, "used_before": 12.50, "windows": [], "pauses": running_pause}
    assert sla.explain_lines(wall) == (
        "11-22 23:30 之前已用 12.5 分钟，「订单异常审核」共 120 分钟，按自然时间计时。",
        "还没有计入任何时段。",
        "不计：11-23 08:10–现在 等待客户。",
    )
    given = FACTS["pauses"][0] | {"reason": "waiting_customer"}
    assert sla.explain_lines(FACTS | {"pauses": [given]}, "en")[2].endswith("12:00 waiting for customer.")
    days = FACTS | {"measure": "workdays", "allowance": 5, "pauses": []}
    first, _, last = sla.explain_lines(days)
    assert "给 5 个工作日" in first
    assert last == "没有暂停过。"


def test_many_windows_are_summed_up() -> None:
    many = FACTS | {"windows": FACTS["windows"] * 5, "windows_count": 60, "minutes": 28800}
    line = sla.explain_lines(many)[1]
    assert line.count("分钟）") == 6
    assert line.endswith("、等 60 段，共 28800 分钟。")
