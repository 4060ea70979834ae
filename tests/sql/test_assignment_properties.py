"""Fair shares, proven on the real function: whoever came, went, was full or frozen, in any order of arrivals."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import combinations
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.sql import working
from tests.sql.desk import NOON, one

Connection = psycopg.Connection[Any]
TEAM = ("f1", "f2", "f3", "f4", "f5")
SKILLS = ("presales", "aftersales")

few = settings(
    max_examples=30,
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@dataclass
class Person:
    """What the test believes of somebody."""

    id: int
    skills: set[str] = field(default_factory=lambda: set(SKILLS))
    on_duty: bool = True
    frozen: bool = False
    capacity: int = 30
    load: int = 0

    def refusal(self, skill: str | None, cool_off: frozenset[str], name: str) -> str | None:
        """Why this person may not get an item, by the order the product tells it in."""
        reasons = {
            "no_skill": skill is not None and skill not in self.skills,
            "off_duty": not self.on_duty,
            "frozen": self.frozen,
            "cool_off": name in cool_off,
            "full": self.load >= self.capacity,
        }
        return next((reason for reason, holds in reasons.items() if holds), None)


who = st.sampled_from(TEAM)
items = st.tuples(
    st.just("item"),
    st.sampled_from([None, None, *SKILLS]),
    st.frozensets(who, max_size=2) | st.just(frozenset()),
)
changes = st.one_of(
    st.tuples(st.just("duty"), who, st.booleans()),
    st.tuples(st.just("frozen"), who, st.booleans()),
    st.tuples(st.just("capacity"), who, st.integers(0, 6)),
    st.tuples(st.just("skills"), who, st.sets(st.sampled_from(SKILLS))),
    st.tuples(st.just("done"), who, st.integers(1, 4)),
)
days = st.lists(st.one_of(items, items, items, changes), min_size=8, max_size=40)


@pytest.fixture
def floor(db: Connection) -> Connection:
    working.open_shop(db)
    for name in TEAM:
        working.add_agent(db, name)
    return db


@contextmanager
def tried(db: Connection) -> Iterator[dict[str, Person]]:
    """One example: what it does is undone."""
    with db.transaction(force_rollback=True):
        yield {name: Person(working.member(db, name)) for name in TEAM}


def change(
    db: Connection, team: dict[str, Person], kind: str, name: str, value: Any, moment: datetime
) -> None:
    person = team[name]
    if kind == "duty":
        person.on_duty = value
        working.on_shift(db, person.id, value)
    elif kind == "skills":
        person.skills = set(value)
        db.execute("update members set skills = %s where id = %s", (sorted(value), person.id))
    elif kind == "done":
        person.load -= working.finish(db, person.id, value)
    else:
        setattr(person, kind, value)
        working.settle(
            db,
            person.id,
            capacity=person.capacity,
            frozen_until=moment + timedelta(days=1) if person.frozen else None,
        )


def give(
    db: Connection, team: dict[str, Person], batch: list[tuple[Any, ...]], moment: datetime
) -> list[Given]:
    """Hand a batch out by one call, and compare each decision with what the test believes."""
    asked = working.new_items(db, len(batch))
    wanted = [
        {"id": entity, "skill": skill, "not": [team[name].id for name in sorted(cool_off)]}
        for entity, (_, skill, cool_off) in zip(asked, batch, strict=True)
    ]
    names = {person.id: name for name, person in team.items()}
    done = []
    for (entity, chosen, decision), (_, skill, cool_off) in zip(
        working.assign(db, wanted, moment), batch, strict=True
    ):
        verdicts = {name: person.refusal(skill, cool_off, name) for name, person in team.items()}
        considered = one(db, "select considered from assignment_decisions where id = %s", decision)
        assert {names[c["member_id"]]: c["why"] for c in considered if c["member_id"] in names} == verdicts
        eligible = frozenset(name for name, why in verdicts.items() if why is None)
        assert (chosen is None) == (not eligible)
        if chosen is not None:
            assert names[chosen] in eligible
            team[names[chosen]].load += 1
            working.own(db, entity, chosen)
        done.append(Given(eligible, names.get(chosen)))
    return done


@dataclass(frozen=True)
class Given:
    """An item: who could have got it, and who did."""

    eligible: frozenset[str]
    chosen: str | None


def widest(given: list[Given], first: str, second: str) -> int:
    """How far two people ever drew apart in any stretch of items that both, or neither, could get."""
    apart = low = high = worst = 0
    for item in given:
        if (first in item.eligible) != (second in item.eligible):
            apart = low = high = 0  # the item itself belongs to no stretch of theirs
            continue
        apart += (item.chosen == first) - (item.chosen == second)
        low, high = min(low, apart), max(high, apart)
        worst = max(worst, high - low)
    return worst


@few
@given(day=days, sizes=st.lists(st.integers(1, 6), min_size=1, max_size=5))
def test_equals_take_turns_and_nobody_gets_too_much(
    floor: Connection, day: list[Any], sizes: list[int]
) -> None:
    with tried(floor) as team:
        given_out: list[Given] = []
        waiting: list[tuple[Any, ...]] = []
        for step, event in enumerate([*day, ("end",)]):
            moment = NOON + timedelta(seconds=step)
            if event[0] == "item":
                waiting.append(event)
            if waiting and (event[0] != "item" or len(waiting) >= sizes[step % len(sizes)]):
                given_out += give(floor, team, waiting, moment)
                waiting = []
            if event[0] not in ("item", "end"):
                change(floor, team, *event, moment)
        for first, second in combinations(TEAM, 2):
            assert widest(given_out, first, second) <= 1, (first, second, given_out)


@few
@given(
    weights=st.lists(st.sampled_from(["0.5", "1", "1.5", "2", "3"]), min_size=2, max_size=5),
    count=st.integers(20, 60),
)
def test_weights_share_out(floor: Connection, weights: list[str], count: int) -> None:
    """Of a steady team nobody is a whole item above his share, and the least served is not left behind."""
    with tried(floor) as team:
        for name in TEAM[len(weights) :]:
            change(floor, team, "duty", name, False, NOON)
        shares = {team[name].id: float(weight) for name, weight in zip(TEAM, weights, strict=False)}
        for member_id, weight in zip(shares, weights, strict=True):
            working.settle(floor, member_id, capacity=1000, weight=weight)
        got = dict.fromkeys(shares, 0)
        for _, chosen, _ in working.assign(floor, [{"id": n} for n in working.new_items(floor, count)], NOON):
            got[chosen] += 1
        for member_id, weight in shares.items():
            share = count * weight / sum(shares.values())
            assert -len(shares) / 2 - 1 < got[member_id] - share < 1.0001, (weights, got)


def test_newcomers_and_people_back_from_leave_take_their_turn_only(floor: Connection) -> None:
    """A week of single shifts leaves no debt that floods the one who returns."""
    with tried(floor) as team:
        for absent in ("f1", "f2"):
            for name in TEAM:
                change(floor, team, "duty", name, name != absent, NOON)
            give(floor, team, [("item", None, frozenset())] * 13, NOON)
        for name in TEAM:
            change(floor, team, "duty", name, True, NOON)
        got = [g.chosen for g in give(floor, team, [("item", None, frozenset())] * 10, NOON)]
        assert sorted(got) == sorted([*TEAM, *TEAM])


def test_ties_favour_nobody(floor: Connection) -> None:
    """The first item of a new team goes to anybody: the chance that one of five is never first in 80 tries is 1 in 10^7."""
    first = set()
    for _ in range(80):
        with tried(floor) as team:
            [only] = give(floor, team, [("item", None, frozenset())], NOON)
            first.add(only.chosen)
    assert first == set(TEAM)
