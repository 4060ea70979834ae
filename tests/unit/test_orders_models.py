"""Filters from the URL and back."""

from __future__ import annotations

from decimal import Decimal

import pytest

from backend.orders.models import QueueFilter


def test_a_filter_survives_the_url() -> None:
    wanted = QueueFilter(
        state="done",
        kind="remote",
        platform="jd",
        shop_id=3,
        amount_min=Decimal(5),
        owner="me",
    )
    assert QueueFilter.parse(wanted.params()) == wanted
    assert QueueFilter().params() == {}


@pytest.mark.parametrize(
    "params",
    [
        {"state": "gone"}, {"kind": "' or 1"}, {"shop_id": "x"}, {"shop_id": "²"}, {"shop_id": "9" * 30},
        {"amount_min": "NaN"}, {"amount_max": "-1"}, {"owner": "all"}, {"due": "yesterday"}, {"limit": "1"},
        {"after": "x~1"}, {"before": "1"}, {"other": "1"},
    ],
)  # fmt: skip
def test_what_is_no_value_is_left_out(params: dict[str, str]) -> None:
    assert QueueFilter.parse(params) == QueueFilter()


def test_the_database_gets_money_as_text_and_places_as_they_came() -> None:
    place = {"due_sort": "2026-11-18T12:00:00.000001+08:00", "order_id": 12}
    wanted = QueueFilter(amount_min=Decimal("9.90"), after=place)
    assert wanted.as_json() == {"state": "open", "limit": 50, "amount_min": "9.90", "after": place}
    assert wanted.params() == {"amount_min": "9.90"}, "a place is no filter: a link opens the first page"
