"""Deadline policies in Python: steps and terms as the database takes them, and which cell is wrong."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend import policies
from backend.policies import Calendar, Policy, Step, Terms

CALENDARS = {
    one.code: one for one in (Calendar("all", "早班＋晚班", "working"), Calendar("wall", "自然时间", "wall"))
}
TERMS = Terms("订单异常审核", "working", "all", 120, (Step(),), None, True)


@given(
    st.builds(
        Step,
        anchor=st.sampled_from(policies.ANCHORS),
        amount=st.integers(1, 1000),
        who=st.lists(st.sampled_from(policies.WHO), min_size=1, unique=True).map(tuple),
        action=st.sampled_from(policies.ACTIONS),
    )
)
def test_a_step_comes_back_as_it_was_sent(step: Step) -> None:
    assert Step.parse(step.as_json()) == step


def test_a_step_when_due_is_neither_before_nor_after() -> None:
    assert Step("before", 0).as_json()["minutes"] == 0
    assert Step.parse({"minutes": 0, "who": ["owner"], "action": "notify"}) == Step("after", 0)


def test_terms_as_the_database_takes_them() -> None:
    sent = replace(TERMS, measure="wall", allowance=90.0).as_json()
    assert (sent["calendar"], sent["allowance"]) == (None, 90)
    assert isinstance(sent["allowance"], int)
    assert replace(TERMS, allowance=0.5).as_json()["allowance"] == 0.5


CASES: dict[str, tuple[dict[str, Any], dict[str, str]]] = {
    "all is well": ({}, {}),
    "blanks are no name": ({"name": "  "}, {"name": "empty"}),
    "a long name": ({"name": "长" * 61}, {"name": "range"}),
    "ten years are the limit": ({"allowance": 5_256_000}, {}),
    "a minute more is too much": ({"allowance": 5_256_001}, {"allowance": "range"}),
    "less than nothing": ({"allowance": -1}, {"allowance": "range"}),
    "nothing at all is allowed": ({"allowance": 0}, {}),
    "half a working day": ({"measure": "workdays", "allowance": 1.5}, {"allowance": "whole"}),
    "a working day too many": ({"measure": "workdays", "allowance": 3661}, {"allowance": "range"}),
    "no calendar": ({"calendar": None}, {"calendar": "choose"}),
    "the wall is no calendar": ({"calendar": "wall"}, {"calendar": "choose"}),
    "the wall clock needs none": ({"measure": "wall", "calendar": None}, {}),
    "an empty cell": ({"ladder": (Step(amount=None),)}, {"step.0.at": "empty"}),
    "percent has an end": ({"ladder": (Step(amount=1000), Step(amount=1001))}, {"step.1.at": "range"}),
    "minutes have another": ({"ladder": (Step("before", 1001),)}, {}),
    "nobody": ({"ladder": (Step(), Step(amount=60, who=()))}, {"step.1.who": "choose"}),
    "twice the same": ({"ladder": (Step(), Step(who=("manager",)))}, {"step.1.at": "twice"}),
    "the same time, another action": ({"ladder": (Step(), Step(action="to_pool"))}, {}),
    "when due, said twice": (
        {"ladder": (Step("before", 0), Step("after", 0))},
        {"step.1.at": "twice"},
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_the_cell_that_is_wrong(case: str) -> None:
    change, wrong = CASES[case]
    assert policies.problems(replace(TERMS, **change), CALENDARS) == wrong


def test_a_variant_begins_with_the_terms_of_its_default_switched_on() -> None:
    base = Policy(7, "x", "lead", "follow_up", None, {}, replace(TERMS, is_active=False), "restart", 3, "")
    made = policies.variant(base, shop_id=2, conditions={"grade": ["A"], "kind": []})
    assert (made.id, made.version, made.shop_id, made.conditions) == (0, 0, 2, {"grade": ("A",)})
    assert made.terms == TERMS
    assert base.is_default
    assert not made.is_default
