"""Signs: every match of an expression contains one of them."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.words.conditions import compile_row
from backend.words.dictionary import shipped
from backend.words.rules import CLAUSE_SIGNS, RIGHT_SIGNS, SCANNED_SIGNS
from backend.words.signs import EDGE, necessary

CONDITIONS = [compile_row(row) for row in shipped().exceptions]
PATTERNS = [
    *(p for family in (CLAUSE_SIGNS, RIGHT_SIGNS, SCANNED_SIGNS) for ps in family.values() for p in ps),
    *(r for c in CONDITIONS for r in (c.regex, c.before_regex, c.after_regex) if r),
]


@pytest.mark.parametrize(
    ("pattern", "signs"),
    [
        ("不能|没有", {"不能", "没有"}),
        ("不(?:能|可)以?", {"不能", "不可", "不能以", "不可以"}),
        (r"不(?=\Z)", {"不" + EDGE}),
        ("[0-9]{1,8}月[^，]{0,4}", {"月"}),
        ("据[^，]{2,9}(?:统计|报告)", {"统计", "报告"}),
        ("(?:甲|乙)?", {"", "甲", "乙"}),
        ("(?=[数据])(?:数据|来源)(?!库)", {"数据", "来源"}),
        (".*", {""}),
    ],
)
def test_signs_of(pattern: str, signs: set[str]) -> None:
    assert necessary(re.compile(pattern)) == signs


def test_every_general_rule_has_signs() -> None:
    families = (CLAUSE_SIGNS, RIGHT_SIGNS, SCANNED_SIGNS)
    patterns = [p for family in families for several in family.values() for p in several]
    assert [p.pattern for p in patterns if "" in necessary(p)] == []


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(PATTERNS).flatmap(lambda p: st.tuples(st.just(p), st.from_regex(p))))
def test_every_match_contains_a_sign(case: tuple[re.Pattern[str], str]) -> None:
    pattern, text = case
    found = pattern.search(text.rstrip("\n"))
    if found:
        covered = found[0] + (EDGE if found.end() == len(text.rstrip("\n")) else "")
        assert any(sign in covered for sign in necessary(pattern)), (pattern.pattern, found[0])
