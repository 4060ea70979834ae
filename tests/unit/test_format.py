"""Figures and times as people read them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from pages.shared import format as fmt

NOW = datetime(2026, 11, 22, 6, 30, tzinfo=UTC)  # 14:30 in Shanghai


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        (Decimal("1234"), "¥1,234.00"),
        ("0.005", "¥0.01"),
        (-80.5, "-¥80.50"),
        (None, "—"),
        (1e6, "¥1,000,000.00"),
    ],
)
def test_money(amount: Decimal | float | str | None, text: str) -> None:
    assert fmt.money(amount) == text


def test_money_of_other_countries() -> None:
    assert fmt.money("12", "USD") == "$12.00"
    assert fmt.money("12", "THB") == "THB 12.00"


@pytest.mark.parametrize(
    ("at", "zh", "en"),
    [
        ("2026-11-22T06:30:00+00:00", "今天 14:30", "today 14:30"),
        ("2026-11-21T15:59:59+00:00", "昨天 23:59", "yesterday 23:59"),
        ("2026-11-22T16:00:00+00:00", "明天 00:00", "tomorrow 00:00"),
        ("2026-11-11T01:05:00+00:00", "11-11 09:05", "11-11 09:05"),
        ("2025-12-31T16:00:00+00:00", "01-01 00:00", "01-01 00:00"),
        ("2025-12-31T15:00:00+00:00", "2025-12-31 23:00", "2025-12-31 23:00"),
        (None, "—", "—"),
    ],
)
def test_times_in_the_zone_of_the_shop(at: str | None, zh: str, en: str) -> None:
    assert fmt.clock_time(at, now=NOW) == zh
    assert fmt.clock_time(at, now=NOW, lang="en") == en


def test_another_zone_is_another_day() -> None:
    assert fmt.clock_time("2026-11-22T06:30:00+00:00", zone="America/Los_Angeles", now=NOW) == "今天 22:30"
    assert fmt.exact_time("2026-11-22T06:30:05+00:00") == "2026-11-22 14:30:05"
    assert fmt.exact_time(None) == ""


@pytest.mark.parametrize(
    ("minutes", "state", "text"),
    [
        (-18, "overdue", "● 超时 18 分"),
        (0, "overdue", "● 超时 1 分"),
        (25, "due_soon", "◐ 剩 25 分"),
        (31, "on_time", "剩 31 分"),
        (90, "on_time", "剩 1.5 小时"),
        (180, "on_time", "剩 3 小时"),
        (599, "on_time", "剩 9.9 小时"),
        (24 * 60 * 3, "on_time", "剩 3 天"),
    ],
)
def test_due_states_have_words_and_an_icon(minutes: int, state: str, text: str) -> None:
    found = fmt.due(NOW + timedelta(minutes=minutes), now=NOW)
    assert (found.state, found.text) == (state, text)


def test_stopped_paused_and_uncovered_deadlines() -> None:
    assert fmt.due(NOW, state="met", now=NOW).text == ""
    assert fmt.due(None, now=NOW).state == "none"
    assert fmt.due(NOW, state="paused", reason="等待客户", now=NOW).text == "‖ 暂停 · 等待客户"
    assert fmt.due(None, state="uncovered", now=NOW).state == "uncovered"
    assert fmt.due(NOW - timedelta(hours=2), lang="en", now=NOW).text == "● 2 h overdue"


@pytest.mark.parametrize(
    "hostile",
    [
        *(
            "**x**",
            "[a](http://x)",
            "![a](http://x)",
            "<b>x</b>",
            ":red[x]",
            "$a$",
            "`x`",
            "# x",
            "1. x",
            "- x",
        ),
        *(
            "~~x~~",
            ":material/home:",
            ":smile:",
            "https://x.example",
            "www.x.example",
            "a|b",
            "x\n# y",
            "&lt;",
        ),
    ],
)
def test_markup_in_names_is_broken_up(hostile: str) -> None:
    shown = fmt.md(hostile)
    assert shown != hostile
    assert "\n" not in shown


@pytest.mark.parametrize(
    "plain", ["客服A", "示例旗舰店", "T-1042", "¥1,234.00", "3920…8909", "14:30", "a - b"]
)
def test_ordinary_names_stay_as_they_are(plain: str) -> None:
    assert fmt.md(plain) == plain
