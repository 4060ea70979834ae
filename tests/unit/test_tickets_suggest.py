"""What a text proposes: type, cause and severity with the words that led there, never without them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from backend.tickets import choices, suggest
from backend.tickets.suggest import Suggestion

SAID = {
    "杯子有划痕，能补发一个吗": ("reship", "quality_surface", None),
    "没有划痕，就是少发了一个杯盖": ("reship", "service_wrong_goods", None),
    "打开箱子少了一个杯盖": ("reship", "service_wrong_goods", None),
    "快递三天不动了": ("logistics", "logistics_delay", None),
    "昨天降价了，能补差价吗": ("price_protection", None, None),
    "再不处理我就发小红书曝光": ("public_complaint", None, "urgent"),
    "亲，发票抬头开错了": ("invoice", None, None),
    "７天无理由退货，衣服偏大": ("return", "description_size", None),
    "灯不亮，想换一个": ("exchange", "quality_function", None),
    "不退货退款，只退一部分": ("refund_only", None, None),
    "给差评了啊，态度太差": ("service", None, "high"),
    "请问什么时候有货": (None, None, None),
    "": (None, None, None),
}


@pytest.mark.parametrize("text", SAID)
def test_a_line_of_a_buyer(text: str) -> None:
    found = suggest.suggest(text)
    values = [proposal.value if proposal else None for proposal in (found.type, found.cause, found.severity)]
    assert values == list(SAID[text])


def test_a_proposal_says_which_words_led_to_it() -> None:
    found = suggest.suggest("杯身有划痕，盒子破了，请补发")
    assert found.type is not None
    assert found.type.words == ("补发",)
    for proposal in (found.type, found.cause, found.department):
        assert proposal is not None
        assert proposal.words


@pytest.mark.parametrize("text", ["没有划痕", "不是质量问题", "我没投诉", "无破损"])
def test_what_is_denied_proposes_nothing(text: str) -> None:
    assert suggest.suggest(text) == Suggestion()


def test_the_department_follows_from_the_cause() -> None:
    found = suggest.suggest("少发了一件")
    assert found.department is not None
    assert found.department.value == "warehouse"


def test_only_known_values_are_proposed() -> None:
    rules = json.loads(Path(suggest.__file__).with_name("suggest.json").read_text("utf-8"))
    assert {value for tier in rules["type"] for value in tier} <= set(choices.TYPES)
    assert set(rules["severity"]) <= set(choices.SEVERITIES)
    assert set(rules["department_of_cause"].values()) <= set(choices.DEPARTMENTS)
    assert set(rules["department_of_cause"]) == set(rules["cause"])
    sql = Path(__file__).resolve().parents[2] / "backend" / "sql"
    library = "".join(path.read_text("utf-8") for path in sql.glob("43_*.sql"))
    assert [code for code in rules["cause"] if f"'{code}'" not in library] == []
