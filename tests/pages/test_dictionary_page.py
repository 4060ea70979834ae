"""词库: everybody concerned reads it, changes are proposed, tried, and approved by somebody else."""

from __future__ import annotations

import uuid

import pytest
from streamlit.testing.v1 import AppTest

from backend.compliance import commands, reads
from backend.compliance.models import Operation
from backend.local.stack import Stack
from tests.pages import texts
from tests.pages.conftest import AppAs
from tests.pages.reading import en, shown, zh
from tests.pages.shop_floor import ShopFloor
from tests.people import hire


@pytest.fixture(scope="module")
def floor(stack: Stack) -> ShopFloor:
    made = ShopFloor(stack, "dic1")
    texts.write(made, "保湿面霜")  # the first check brings the dictionary
    return made


def proposal(floor: ShopFloor, term: str) -> int:
    """A draft of operations' own that adds a word."""
    facts = {"term": term, "category": "absolute", "severity": "block", "legal_basis": "广告法第九条"}
    operation = Operation("word", "add", "平台通知", facts)
    client = texts.as_person(floor, "operations")
    return commands.propose(client, f"新增 {term}", [operation], request_id=uuid.uuid4())[0]


def tried(floor: ShopFloor, number: int) -> int:
    """Tries and submits it; returns its version."""
    client = texts.as_person(floor, "operations")
    found = reads.proposal(client, number)
    assert found is not None
    commands.try_proposal(client, number, found.version, request_id=uuid.uuid4())
    texts.work(floor)
    found = reads.proposal(client, number)
    assert found is not None
    return commands.submit_proposal(client, number, found.version, request_id=uuid.uuid4())


def opened(app_as: AppAs, floor: ShopFloor, role: str, **query: str) -> AppTest:
    tab = app_as(floor.person(role), "dictionary", query=query)
    assert not tab.exception
    return tab


def has(tab: AppTest, name: str) -> bool:
    return name in [one.key for one in tab.button]


@pytest.mark.parametrize("section", ["exceptions", "proposals", "evidence", "versions", "file"])
def test_each_section_is_drawn(app_as: AppAs, floor: ShopFloor, section: str) -> None:
    tab = opened(app_as, floor, "manager", tab=section)
    assert tab.header[0].value == zh("dictionary.title")


def test_operations_and_managers_may_propose_a_word(app_as: AppAs, floor: ShopFloor) -> None:
    roles = ("operations", "analyst", "manager", "admin")
    offered = {role: has(opened(app_as, floor, role, tab="words"), "dictionary_new") for role in roles}
    assert offered == {"operations": True, "analyst": False, "manager": True, "admin": False}


def test_words_are_found_by_the_address(app_as: AppAs, floor: ShopFloor) -> None:
    tab = opened(app_as, floor, "analyst", q="国家级", severity="block")
    assert "国家级" in list(tab.dataframe[0].value["term"])
    assert all("国家级" in term for term in tab.dataframe[0].value["term"])
    none = opened(app_as, floor, "analyst", q="没有这个词呀")
    assert zh("dictionary.none") in shown(none)


def test_a_word_shows_its_past_and_no_form_to_readers(app_as: AppAs, floor: ShopFloor) -> None:
    tab = opened(app_as, floor, "analyst", word="国家级")
    assert "广告法" in shown(tab)
    assert zh("dictionary.change") not in shown(tab)


def test_a_change_becomes_a_proposal_and_nothing_holds_yet(app_as: AppAs, floor: ShopFloor) -> None:
    client = texts.as_person(floor, "operations")
    word = next(w for w in reads.words(client, q="顶级").rows if w.term == "顶级")
    tab = opened(app_as, floor, "operations", word="顶级")
    form = f"dictionary_word_{word.id}"
    tab.text_input(key=f"{form}_suggestion").set_value("写明等级标准")
    tab.button(key=f"{form}_send").click().run()
    assert zh("dictionary.reason_missing") in shown(tab)
    tab.text_input(key=f"{form}_reason").set_value("法务意见")
    tab.button(key=f"{form}_send").click().run()
    found = reads.proposals(client, "draft")[0]
    full = reads.proposal(client, found.id)
    assert full is not None
    assert [(i.action, i.facts, i.reason) for i in full.items] == [
        ("change", {"suggestion": "写明等级标准"}, "法务意见")
    ]
    now = next(w for w in reads.words(client, q="顶级").rows if w.term == "顶级")
    assert now.suggestion == word.suggestion


def test_a_new_word_is_proposed(app_as: AppAs, floor: ShopFloor) -> None:
    term = f"绝世{uuid.uuid4().hex[:4]}"
    tab = opened(app_as, floor, "operations", new="word")
    tab.text_input(key="dictionary_word_new_term").set_value(term)
    tab.text_input(key="dictionary_word_new_legal_basis").set_value("广告法第九条")
    tab.text_input(key="dictionary_word_new_reason").set_value("平台通知")
    tab.button(key="dictionary_word_new_send").click().run()
    assert reads.proposals(texts.as_person(floor, "operations"), "draft")[0].title == zh(
        "dictionary.title_of.add", term=term
    )


def test_a_proposal_is_tried_submitted_and_approved_by_another(app_as: AppAs, floor: ShopFloor) -> None:
    term = f"速干{uuid.uuid4().hex[:4]}"
    texts.write(floor, f"{term}毛巾")
    number = proposal(floor, term)
    tab = opened(app_as, floor, "operations", proposal=str(number))
    assert tab.button(key=f"proposal_submit_{number}").disabled  # untried
    tab.button(key=f"proposal_try_{number}").click().run()
    texts.work(floor)
    mine = opened(app_as, floor, "operations", proposal=str(number))
    assert not mine.button(key=f"proposal_submit_{number}").disabled
    mine.button(key=f"proposal_submit_{number}").click().run()
    mine = opened(app_as, floor, "operations", proposal=str(number))
    assert not has(mine, f"proposal_approve_{number}")
    boss = opened(app_as, floor, "manager", proposal=str(number))
    assert zh("proposals.difference") in shown(boss)
    assert term in shown(boss)
    assert boss.button(key=f"proposal_refuse_{number}").disabled
    client = texts.as_person(floor, "manager")
    found = reads.proposal(client, number)
    assert found is not None
    assert (found.state, found.trial.new_count) == ("submitted", 1)
    boss.button(key=f"proposal_approve_{number}").click().run()
    found = reads.proposal(client, number)
    assert found is not None
    assert found.state == "approved"
    assert [w.term for w in reads.words(client, q=term).rows] == [term]


def test_refusing_takes_a_note(app_as: AppAs, floor: ShopFloor) -> None:
    number = proposal(floor, f"霸主{uuid.uuid4().hex[:4]}")
    tried(floor, number)
    tab = opened(app_as, floor, "manager", proposal=str(number))
    tab.text_input(key=f"proposal_note_{number}").set_value("依据不足").run()
    tab.button(key=f"proposal_refuse_{number}").click().run()
    found = reads.proposal(texts.as_person(floor, "manager"), number)
    assert found is not None
    assert (found.state, found.decision_note) == ("refused", "依据不足")


def test_the_page_speaks_english(app_as: AppAs, floor: ShopFloor) -> None:
    tab = app_as(hire(floor.stack, "manager", shops=[floor.code]), "dictionary")
    tab.button(key="desk_language").click().run()
    assert tab.header[0].value == en("dictionary.title")
