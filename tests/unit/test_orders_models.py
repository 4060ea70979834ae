"""Filters from the URL and back, and cursors that nobody can bend."""

from __future__ import annotations

from decimal import Decimal

import pytest

from backend.orders.models import QueueFilter, QueuePage, cursor_of, cursor_text


def test_a_filter_survives_the_url() -> None:
    wanted = QueueFilter(
        state="done",
        kind="remote",
        platform="jd",
        shop_id=3,
        amount_min=Decimal(5),
        owner="me",
        after="infinity~7",
    )
    assert QueueFilter.parse(wanted.params()) == wanted
    assert QueueFilter().params() == {}


@pytest.mark.parametrize(
    "params",
    [
        {"state": "gone"}, {"kind": "' or 1"}, {"shop_id": "x"}, {"amount_min": "NaN"}, {"amount_max": "-1"},
        {"owner": "all"}, {"due": "yesterday"}, {"after": "x~1"}, {"before": "2026-11-18T12:00~x"},
        {"other": "1"},
    ],
)  # fmt: skip
def test_what_is_no_value_is_left_out(params: dict[str, str]) -> None:
    assert QueueFilter.parse(params) == QueueFilter()


def test_the_database_gets_money_as_text_and_cursors_as_values() -> None:
    wanted = QueueFilter(amount_min=Decimal("9.90"), after="2026-11-18T12:00:00.000001+08:00~12")
    assert wanted.as_json() == {
        "state": "open",
        "limit": 50,
        "amount_min": "9.90",
        "after": {"due_sort": "2026-11-18T12:00:00.000001+08:00", "order_id": 12},
    }


@pytest.mark.parametrize(
    "cursor",
    [{"due_sort": "infinity", "order_id": 1}, {"due_sort": "2026-11-18T04:00:00+00:00", "order_id": 9}],
)
def test_a_cursor_is_text_and_back(cursor: dict[str, object]) -> None:
    assert cursor_of(cursor_text(cursor)) == cursor


def test_a_page_carries_its_cursors_as_text() -> None:
    page = QueuePage.model_validate(
        {"rows": [], "count": 0, "next": {"due_sort": "infinity", "order_id": 5}, "prev": None}
    )
    assert (page.next, page.prev) == ("infinity~5", None)
