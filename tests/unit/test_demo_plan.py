"""The demo's plan: its figures, whatever the hour at which the demo is made."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from backend.imports.parse import parse_file
from backend.local.demo import files, plan
from backend.local.demo.orders import ZONE

MOMENTS = [datetime(2026, 11, 22, hour, 7, tzinfo=ZONE) for hour in (0, 3, 8, 9, 15, 23)]


@pytest.mark.parametrize("now", MOMENTS, ids=lambda at: f"{at:%H:%M}")
def test_the_figures_are_those_of_the_tour(now: datetime) -> None:
    story = plan.make(now.astimezone(UTC))
    today = [order for _, orders in story.today for order in orders]
    states = Counter(order.status for order in [*story.final, *today])
    assert states == {"completed": 2208, "shipped": 540, "to_ship": 196, "unpaid": 12, "closed": 44}
    assert len({order.order_no for order in [*story.final, *today]}) == 3000
    assert sum(len(batch.late) for batch in story.rounds) == 3
    assert sum(len(batch.corrected) for batch in story.rounds) == 61
    assert sum(len(batch.cancelled) for batch in story.rounds) == 28
    assert len(story.at_customer) == 4
    assert len(story.done_today) == 6


@pytest.mark.parametrize("now", MOMENTS, ids=lambda at: f"{at:%H:%M}")
def test_nothing_happens_in_the_future(now: datetime) -> None:
    story = plan.make(now)
    assert all(order.placed_at <= now for batch in story.rounds for order in batch.orders)
    assert [at for at, _ in story.today] == sorted(at for at, _ in story.today)
    assert story.today[-1][0] < now
    assert story.rounds[-1].at + timedelta(minutes=150) < story.final_at < story.today[0][0]


@pytest.mark.parametrize(
    ("now", "minutes", "expected"),
    [
        (datetime(2026, 11, 22, 10, 30, tzinfo=ZONE), 60, datetime(2026, 11, 22, 9, 30, tzinfo=ZONE)),
        (datetime(2026, 11, 22, 8, 30, tzinfo=ZONE), 60, datetime(2026, 11, 21, 23, 30, tzinfo=ZONE)),
        (datetime(2026, 11, 22, 3, 0, tzinfo=ZONE), 60, datetime(2026, 11, 21, 23, 0, tzinfo=ZONE)),
        (datetime(2026, 11, 22, 8, 0, tzinfo=ZONE), 10, datetime(2026, 11, 21, 23, 50, tzinfo=ZONE)),
    ],
)
def test_open_time_is_counted_backwards(now: datetime, minutes: int, expected: datetime) -> None:
    assert plan.open_time_before(now, minutes) == expected


@pytest.mark.parametrize("shop", ["tm", "jd", "dy"])
def test_its_files_are_read_like_the_platforms_own(shop: str) -> None:
    story = plan.make(MOMENTS[3])
    mine = [order for order in story.final if order.shop == shop]
    name, data = files.order_file(shop, mine)
    parsed = parse_file(data, name=name, kind="orders")
    assert (parsed.rejected, len(parsed.records)) == ((), len(mine))
    assert {record.order_no for record in parsed.records} == {order.order_no for order in mine}
