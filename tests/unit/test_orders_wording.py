"""Orders in words: every key has both languages, every kind a sentence, and no text promises anything."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from backend import errors
from backend.orders import models, wording

ROOT = Path(__file__).parents[2]
WORDS = json.loads((ROOT / "backend/orders/words.json").read_text("utf-8"))
EVIDENCE: dict[str, dict[str, Any]] = {
    "duplicate": {"orders": [{"order_no": "392000000001412", "minutes": 4, "status": "to_ship"}]},
    "unpaid": {},
    "out_of_stock": {"items": [{"sku": "SKU003", "name": "杯子", "spec": "", "need": 2, "left": 0}]},
    "same_ip": {"count": 4, "accounts": 3, "minutes": 55, "orders": []},
    "remote": {"province": "新疆维吾尔自治区"},
    "bad_phone": {"problem": "length", "digits": 10},
    "missing_detail": {"have": "district"},
    "mismatch": {"left": "江苏省", "right": "杭州市", "level": "city"},
    "suspicious": {"word": "转运仓", "where": "address"},
    "refund_stop": {"status": "退款中"},
}
CHINESE = {
    "duplicate": "重复下单：与 3920…1412（相隔 4 分钟）",
    "unpaid": "待付款",
    "out_of_stock": "缺货：杯子 需 2，可用 0",
    "same_ip": "同一 IP 多单：55 分钟内 4 单，3 个买家账号",
    "remote": "偏远地区：新疆维吾尔自治区",
    "bad_phone": "电话无效：号码共 10 位，手机号应为 11 位",
    "mismatch": "地址矛盾：江苏省 ≠ 杭州市",
    "suspicious": "可疑订单：地址里有「转运仓」",
    "refund_stop": "退款中勿发：平台状态「退款中」",
}
# Advertising Law art. 9 superlatives; rewards for ratings; dates and results nobody can promise
FORBIDDEN = re.compile(
    r"最[佳高好快]|第一|国家级|保证|一定|绝对|马上|立即|好评|返现|赔|今天|明天|guarantee|immediately|best"
)


def test_every_word_has_both_languages() -> None:
    for table in WORDS.values():
        for key, word in table.items():
            assert set(word) == {"zh-CN", "en"}, key
            assert all(word.values()), key


def test_every_kind_decision_and_reason_has_a_word() -> None:
    assert set(models.KINDS) <= set(WORDS["kinds"])
    assert {*models.DECISIONS, *models.GROUP_DECISIONS} <= set(WORDS["decisions"])
    reasons = {reason for known in models.REASONS.values() for reason in known}
    assert reasons | set(models.HOLD_REASONS) | set(models.REVEAL_REASONS) <= set(WORDS["reasons"])


@pytest.mark.parametrize("kind", CHINESE)
def test_evidence_is_one_sentence_with_what_proves_it(kind: str) -> None:
    assert wording.evidence(kind, EVIDENCE[kind]) == CHINESE[kind]


@pytest.mark.parametrize("kind", models.KINDS)
@pytest.mark.parametrize("lang", ["zh-CN", "en"])
def test_every_kind_speaks_both_languages(kind: str, lang: str) -> None:
    said = wording.evidence(kind, EVIDENCE[kind], lang)
    assert said.startswith(wording.label(wording.KINDS, kind, lang))
    assert "{" not in said
    assert bool(
        re.search(r"[\u4e00-\u9fff]", re.sub(r"新疆维吾尔自治区|杯子|江苏省|杭州市|转运仓|退款中", "", said))
    ) == (lang == "zh-CN")


def test_evidence_that_an_older_version_wrote_breaks_nothing() -> None:
    for kind in ("duplicate", "out_of_stock", "same_ip", "remote", "refund_stop", "unpaid", "unheard_of"):
        assert wording.evidence(kind, {})


def test_many_duplicates_are_shortened() -> None:
    others = [{"order_no": str(n), "minutes": n} for n in range(5)]
    assert wording.evidence("duplicate", {"orders": others}).endswith("等 5 单")


@pytest.mark.parametrize("kind", sorted(set(models.KINDS) - {"same_ip"}))
@pytest.mark.parametrize("lang", ["zh-CN", "en"])
def test_texts_for_buyers_are_complete_and_promise_nothing(kind: str, lang: str) -> None:
    text = wording.customer_text(kind, EVIDENCE[kind], "392000000008909", lang)
    assert "392000000008909" in text
    assert "{" not in text
    assert "…" not in text
    assert not FORBIDDEN.search(text)


def test_the_buyer_is_not_asked_about_an_ip_address() -> None:
    assert wording.customer_text("same_ip", EVIDENCE["same_ip"], "1") == ""


def test_remarks_are_ready_for_the_platform() -> None:
    when = datetime(2026, 11, 22, 9, tzinfo=UTC)
    assert wording.remark("mismatch", "客服A", when) == "【地址待确认】客服A 11-22"
    assert wording.remark("ship_together", "客服A", when) == "【合并发货】客服A 11-22"


def test_every_refusal_of_an_item_has_a_sentence() -> None:
    keys: set[str] = set()
    for path in ROOT.glob("backend/sql/5[345]_*.sql"):
        sql = path.read_text("utf-8")
        keys |= set(re.findall(r"'((?:order|exception|review)\.[a-z_]+)'", sql))
    assert len(keys) > 15
    assert keys - set(errors.catalogue()) == set()


def test_the_reasons_of_python_are_those_of_the_database() -> None:
    sql = (ROOT / "backend/sql/55_decisions.sql").read_text("utf-8")
    body = sql[
        sql.index("function private.decision_reasons") : sql.index(
            "comment on function private.decision_reasons"
        )
    ]
    for decision, reasons in models.REASONS.items():
        found = re.search(rf"when '{decision}' then (?:array\[(.*?)\]|'{{}}')", body, re.DOTALL)
        assert found, decision
        assert tuple(re.findall(r"'(\w+)'", found.group(1) or "")) == reasons
