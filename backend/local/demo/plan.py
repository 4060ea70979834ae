"""When each demo order comes in, what becomes of it, and how the desk looks at the end.

Figures (product decision): 165 odd orders in three weeks, 138 decided (61 fixed, 49 waived, 28 cancelled; 3
too late), 23 open, 4 waiting for the customer; 169 ready to release, 12 unpaid; one shipped past its hold.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, time, timedelta
from typing import Final

from backend.local.demo.orders import SEED, ZONE, Order, history, spoil, twin

BATCHES: Final = 7
DAY_OPENS: Final = time(8)
FIXED, WAIVED, CANCELLED, LATE = 61, 43, 28, 3  # six more are waived today
WAITING: Final = 196
UNPAID: Final = 12
SHIPPED: Final = 540
CLOSED: Final = 44

# Open at the end: kind, and how many minutes of its two hours have run (over 120 = overdue).
OPEN: Final = (
    ("out_of_stock", 185), ("mismatch", 138), ("missing_detail", 112), ("mismatch", 112), ("remote", 97),
    ("bad_phone", 97), ("duplicate", 72), ("duplicate", 72), ("duplicate", 48), ("duplicate", 48),
    ("out_of_stock", 72), ("out_of_stock", 72), ("out_of_stock", 48), ("out_of_stock", 28),
    ("missing_detail", 72), ("missing_detail", 28), ("mismatch", 48), ("remote", 48), ("remote", 28),
    ("bad_phone", 48), ("suspicious", 72), ("suspicious", 28), ("refund_stop", 48),
)  # fmt: skip
AT_CUSTOMER: Final = (("missing_detail", 97), ("mismatch", 72), ("bad_phone", 48), ("missing_detail", 28))
DONE_TODAY: Final = ("remote", "mismatch", "missing_detail", "remote", "bad_phone", "mismatch")
_PAST_KINDS: Final = ("missing_detail", "mismatch", "remote", "bad_phone", "suspicious")
_PAST_WEIGHTS: Final = (30, 28, 24, 12, 6)


@dataclass(frozen=True, slots=True)
class Batch:
    """One round of imports: the orders as they come in, and those that come again with corrected facts."""

    at: datetime
    orders: tuple[Order, ...]
    corrected: tuple[Order, ...]
    waived: frozenset[str]
    cancelled: frozenset[str]
    late: frozenset[str]


@dataclass(frozen=True, slots=True)
class Plan:
    """Three weeks of rounds, the last files with every order's final state, and today's arrivals by time."""

    rounds: tuple[Batch, ...]
    final: tuple[Order, ...]
    final_at: datetime
    today: tuple[tuple[datetime, tuple[Order, ...]], ...]
    at_customer: frozenset[str]
    done_today: frozenset[str]
    now: datetime


def make(now: datetime) -> Plan:
    """The plan for a demo that ends at `now`; the same seed makes the same orders."""
    rng = random.Random(SEED)  # noqa: S311 (synthetic data, not a secret)
    everything = history(now, rng)
    past, recent = everything[: -(WAITING + UNPAID)], everything[-(WAITING + UNPAID) :]
    rounds, outcome = _rounds(past, rng)
    done = [spoil(order, kind, rng) for order, kind in zip(recent, DONE_TODAY, strict=False)]
    today, at_customer = _today(now, recent[len(done) :], done, rng)
    return Plan(
        rounds=rounds,
        final=tuple(_final(past, outcome, rng)),
        final_at=open_time_before(now, 200),
        today=today,
        at_customer=at_customer,
        done_today=frozenset(order.order_no for order in done),
        now=now,
    )


def open_time_before(now: datetime, minutes: float) -> datetime:
    """The instant from which `minutes` of open time (08:00 to 24:00) have run at `now`."""
    at, left = now.astimezone(ZONE), timedelta(minutes=minutes)
    while True:
        before = at - timedelta(microseconds=1)  # midnight is the end of the day before
        opens = before.replace(hour=DAY_OPENS.hour, minute=0, second=0, microsecond=0)
        if at > opens:
            if at - opens >= left:
                return at - left
            left -= at - opens
        at = opens.replace(hour=0)


def _rounds(past: Sequence[Order], rng: random.Random) -> tuple[tuple[Batch, ...], dict[str, str]]:
    """Splits the past into rounds, makes some orders odd and decides what becomes of those."""
    chosen = rng.sample(range(len(past)), FIXED + WAIVED + CANCELLED)
    kinds = rng.choices(_PAST_KINDS, _PAST_WEIGHTS, k=len(chosen))
    fates = ["fixed"] * FIXED + ["waived"] * WAIVED + ["cancelled"] * CANCELLED
    odd: dict[int, Order] = {}
    outcome: dict[str, str] = {}
    for place, kind, fate in zip(chosen, kinds, fates, strict=True):
        kind = "mismatch" if kind == "suspicious" and fate == "waived" else kind
        kind = "missing_detail" if kind == "remote" and fate == "fixed" else kind
        odd[place] = spoil(past[place], kind, rng)
        outcome[past[place].order_no] = fate
    outcome[past[chosen[FIXED]].order_no] = "breached"
    size = -(-len(past) // BATCHES)
    rounds = []
    for number in range(BATCHES):
        places = range(number * size, min(len(past), (number + 1) * size))
        orders = tuple(odd.get(p, past[p]) for p in places)
        by_fate = {
            fate: [past[p] for p in places if outcome.get(past[p].order_no) == fate]
            for fate in ("fixed", "waived", "cancelled")
        }
        waived = [order.order_no for order in by_fate["waived"]]
        late = waived[:LATE] if number == BATCHES // 2 else []
        rounds.append(
            Batch(
                at=_working(orders[-1].placed_at),
                orders=orders,
                corrected=tuple(by_fate["fixed"]),
                waived=frozenset(waived) - frozenset(late),
                cancelled=frozenset(order.order_no for order in by_fate["cancelled"]),
                late=frozenset(late),
            )
        )
    return tuple(rounds), outcome


def _working(at: datetime) -> datetime:
    """An instant of the working day near `at`, so that two hours of review fit behind it."""
    local = at.astimezone(ZONE)
    return local.replace(hour=min(max(local.hour, 9), 20))


def _final(past: Sequence[Order], outcome: dict[str, str], rng: random.Random) -> list[Order]:
    """Every past order in its last state: the newest shipped, some closed, the rest completed."""
    gone = {number for number, fate in outcome.items() if fate == "cancelled"}
    others = [o.order_no for o in past[:-SHIPPED] if o.order_no not in outcome]
    gone.update(rng.sample(others, CLOSED - CANCELLED))
    last = {o.order_no for o in [o for o in past if o.order_no not in gone][-SHIPPED:]}
    return [
        replace(
            o, status="closed" if o.order_no in gone else "shipped" if o.order_no in last else "completed"
        )
        for o in past
    ]


def _today(
    now: datetime, recent: Sequence[Order], done: Sequence[Order], rng: random.Random
) -> tuple[tuple[tuple[datetime, tuple[Order, ...]], ...], frozenset[str]]:
    """What came in today by the time of its import, oldest first; and the numbers that wait for customers."""
    pool = list(recent)
    rng.shuffle(pool)
    arrivals: dict[float, list[Order]] = {}
    at_customer: set[str] = set()
    for number, (kind, minutes) in enumerate((*OPEN, *AT_CUSTOMER)):
        group = arrivals.setdefault(minutes, [])
        twin_of = next((o for o in group if o.odd == "first"), None) if kind == "duplicate" else None
        if kind == "duplicate" and twin_of is not None:
            spare = pool.pop()
            group.append(twin(twin_of, int(spare.buyer) + 9_000_000, rng))
        elif kind == "duplicate":
            group.append(replace(pool.pop(), odd="first"))
        else:
            group.append(spoil(pool.pop(), kind, rng))
        if number >= len(OPEN):
            at_customer.add(group[-1].order_no)
    for order in pool[:UNPAID]:
        arrivals.setdefault(100, []).append(spoil(order, "unpaid", rng))
    arrivals[185] += [*done, *pool[UNPAID:]]
    times = sorted(arrivals, reverse=True)
    return tuple((open_time_before(now, m), tuple(arrivals[m])) for m in times), frozenset(at_customer)
