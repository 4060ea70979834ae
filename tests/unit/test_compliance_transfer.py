"""The dictionary as a file: what a file would change, and which of its lines are refused and why."""

from __future__ import annotations

from typing import Any

import pytest

from backend.compliance import transfer
from backend.compliance.commands import check_pattern
from backend.compliance.models import Operation, Word, WordException
from backend.errors import AppError

BEST = Word(
    id=7, position=1, term="最佳", category="absolute", severity="block", legal_basis="广告法第九条",
    suggestion="删去", from_version=1,
)  # fmt: skip
OFF = BEST.model_copy(update={"id": 8, "term": "绝版", "is_active": False})
EATEN = WordException(
    id=3, terms=("最佳",), effect="clean", place="phrase", pattern="~食用", note="提示", from_version=1
)
LINE = {
    "term": "最佳", "category": "absolute", "severity": "block", "legal_basis": "广告法第九条",
    "suggestion": "删去", "platforms": "", "is_active": "1",
}  # fmt: skip


def words(*lines: dict[str, str]) -> transfer.Plan:
    return transfer.plan_words(
        ((n, line) for n, line in enumerate(lines, 2)), {w.term: w for w in (BEST, OFF)}, "导入"
    )


def test_an_equal_row_changes_nothing() -> None:
    assert words(LINE) == transfer.Plan((), 1, ())
    assert words(LINE | {"term": "绝版", "is_active": "0"}) == transfer.Plan((), 1, ())


def test_rows_become_operations() -> None:
    plan = words(
        LINE | {"severity": "warn", "reason": "复核"},
        LINE | {"term": "独家", "platforms": "jd|douyin"},
        LINE | {"term": "绝版"},
    )
    assert [(o.action, o.id, o.reason) for o in plan.operations] == [
        ("change", 7, "复核"), ("add", None, "导入"), ("change", 8, "导入"),
    ]  # fmt: skip
    assert plan.operations[0].facts == {"severity": "warn"}
    assert plan.operations[1].facts["platforms"] == ["jd", "douyin"]
    off = words(LINE | {"is_active": "0"}).operations[0]
    assert (off.action, off.id, off.facts) == ("disable", 7, {})


@pytest.mark.parametrize(
    ("change", "column", "reason"),
    [
        ({"term": ""}, "term", "empty"), ({"term": "一"}, "term", "too_short"),
        ({"term": "长" * 61}, "term", "too_long"),
        ({"category": "x"}, "category", "unknown"), ({"severity": ""}, "severity", "unknown"),
        ({"legal_basis": ""}, "legal_basis", "empty"), ({"suggestion": "长" * 301}, "suggestion", "too_long"),
        ({"platforms": "ebay"}, "platforms", "unknown"), ({"is_active": "yes"}, "is_active", "unknown"),
        ({"match_kind": "fuzzy"}, "match_kind", "unknown"),
    ],
)  # fmt: skip
def test_a_bad_line_is_named_and_stops_no_other(change: dict[str, str], column: str, reason: str) -> None:
    plan = words(LINE | change, LINE | {"severity": "warn"})
    assert plan.refused == (transfer.Refused(2, column, reason),)
    assert len(plan.operations) == 1


def test_a_line_twice_is_refused_the_second_time() -> None:
    plan = words(LINE | {"severity": "warn"}, LINE)
    assert plan.refused == (transfer.Refused(3, "term", "twice"),)


def test_exceptions_by_id() -> None:
    line = {
        "id": "3",
        "term": "最佳",
        "effect": "clean",
        "where": "phrase",
        "pattern": "~食用",
        "note": "提示",
    }
    lines = [
        line | {"pattern": "~饮用"},
        line | {"id": ""},
        line | {"id": "99"},
        line | {"id": "", "pattern": "没有代号"},
    ]
    plan = transfer.plan_exceptions(((n, x) for n, x in enumerate(lines, 2)), {3: EATEN}, "导入")
    assert [(o.action, o.id, o.facts.get("pattern")) for o in plan.operations] == [
        ("change", 3, "~饮用"), ("add", None, "~食用"),
    ]  # fmt: skip
    assert plan.refused == (transfer.Refused(4, "id", "unknown"), transfer.Refused(5, "pattern", "unknown"))


@pytest.mark.parametrize(
    "facts", [{"pattern": "x"}, {"pattern": "~a", "place": "nowhere"}, {"pattern": "~a", "effect": "no"}]
)
def test_a_pattern_that_says_nothing_is_refused_before_it_is_sent(facts: dict[str, Any]) -> None:
    with pytest.raises(AppError, match=r"words\.pattern_bad") as caught:
        check_pattern(Operation("exception", "change", "试", facts, 3), 4)
    assert caught.value.params == {"n": 4}
