"""Leads before they leave this process: encrypted, masked, indexed; their words, filters and numbers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from backend.leads import choices, contacts, wording
from backend.leads.choices import LeadFilter
from backend.leads.models import Draft
from backend.pii import Keyring, generate_key

CLEAR = ("李小明", "13812345678", "xiaoming88", "ming@example.com", "要发票，打13812345678")


def test_what_is_sent_of_a_draft_names_nobody() -> None:
    ring = Keyring.parse(generate_key())
    name, phone, wechat, email, note = CLEAR
    draft = Draft(name=name, phone=phone, wechat=wechat, email=email, note=note, needs=("办公设备",))
    row = contacts.lead_row(ring, draft, 7)
    assert [text for text in CLEAR if text in json.dumps(row, ensure_ascii=False)] == []
    shown = {key: value for key, value in row.items() if key.endswith("_masked")}
    assert shown == {
        "name_masked": "李**",
        "phone_masked": "138****5678",
        "wechat_masked": "x***8",
        "email_masked": "m***m",
    }
    sealed = row["contact"]
    assert [
        ring.decrypt("contacts", part, 7, sealed[part])
        for part in ("name", "phone", "wechat", "email", "note")
    ] == [*CLEAR]
    assert sealed["phone_hash"] == ring.blind("phone", "+86 138-1234-5678")
    assert sealed["email_hash"] == ring.blind("email", "Ming@Example.com")


def test_a_buyer_account_alone_needs_no_contact_and_a_masked_phone_has_no_index() -> None:
    ring = Keyring.parse(generate_key())
    row = contacts.lead_row(ring, Draft(buyer_account=" tb_8899 ", needs=("样品",)), 7)
    assert (row["contact"], row["buyer_account"]) == (None, "tb_8899")
    assert "phone_hash" not in contacts.lead_row(ring, Draft(phone="138****5678"), 8)["contact"]


@pytest.mark.parametrize(
    ("params", "kept"),
    [
        ({"scope": "pool", "grade": "A", "owner": "12"}, {"scope": "pool", "grade": "A", "owner": "12"}),
        ({"scope": "everyone", "grade": "D", "owner": "me", "source": "x", "due": "never"}, {}),
        ({"need": " 母婴 ", "due": "today"}, {"need": "母婴", "due": "today"}),
        ({"column": "lost", "after": '{"at":1}', "before": "5"}, {"column": "lost"}),
    ],
)  # fmt: skip
def test_the_filter_of_an_address_keeps_what_is_possible(
    params: dict[str, str], kept: dict[str, object]
) -> None:
    wanted = LeadFilter.parse(params)
    assert wanted.as_json() == {"limit": 20} | kept
    assert LeadFilter.parse(wanted.params()) == wanted


def test_every_word_has_both_languages_and_every_choice_a_word() -> None:
    words = json.loads(Path(wording.__file__).with_name("words.json").read_text("utf-8"))
    missing = [
        (table, key)
        for table, entries in words.items()
        for key, entry in entries.items()
        if set(entry) != {"zh-CN", "en"}
    ]
    assert missing == []
    tables = {
        "stages": choices.COLUMNS,
        "sources": choices.SOURCES,
        "intents": choices.LEVELS,
        "budgets": choices.BUDGETS,
        "memberships": choices.MEMBERSHIPS,
        "channels": choices.CHANNELS,
        "outcomes": choices.FOLLOW_UP_OUTCOMES,
        "next_steps": choices.NEXT_STEPS,
        "promise_kinds": choices.PROMISE_KINDS,
    } | {f"{name}_reasons": choices.REASONS[name] for name in ("grade", "give_back", "reopen")}
    assert {table: wording.keys(table) for table in tables} == {
        table: tuple(keys) for table, keys in tables.items()
    }
    assert set(choices.REASONS["lose"]) < set(wording.keys("lost_reasons"))


def test_a_grade_says_why() -> None:
    facts = {"intent": "high", "budget": "high", "source": "live", "recency": "day"}
    assert (
        wording.why_grade("A", {"rule": 1, "facts": facts}) == "A：高意向 · 购买力高 · 直播留资 · 24 小时内"
    )
    assert wording.why_grade("C", {"reason": "later"}, "en") == "C: Later"
    assert wording.numbers_in("Ｌ-1042 和 l1042、L 7，不是 AL-5") == [1042, 7]
