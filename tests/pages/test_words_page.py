"""违禁词检查: the verdict follows the text, proposals are taken; files and figures for some roles."""

from __future__ import annotations

import io
import uuid

import pytest
from streamlit.testing.v1 import AppTest

from backend.compliance import commands, reads
from backend.imports.reader import open_table
from backend.local.stack import Stack
from pages.shared.words import editor, wording
from tests.pages import texts
from tests.pages.conftest import AppAs
from tests.pages.reading import en, shown, zh
from tests.pages.shop_floor import ShopFloor
from tests.people import hire

HOSTILE = "最佳<script>alert(1)</script> :red[x] ![](https://a.example/x.png)\n# 第二行"


@pytest.fixture(scope="module")
def floor(stack: Stack) -> ShopFloor:
    return ShopFloor(stack, "wrd1")


def typed(app_as: AppAs, floor: ShopFloor, text: str, role: str = "agent", **query: str) -> AppTest:
    """The page after somebody typed a text."""
    tab = app_as(floor.person(role), "words", query=query)
    tab.session_state["words_text"] = text
    tab.run()
    assert not tab.exception
    return tab


@pytest.mark.parametrize("role", ["agent", "warehouse"])
def test_everybody_may_check_a_text(app_as: AppAs, floor: ShopFloor, role: str) -> None:
    tab = typed(app_as, floor, "国家级的面霜", role)
    words = shown(tab)
    assert zh("words.verdict.block") in words
    assert "**国家级**" in words


def test_an_empty_page_says_what_to_do(app_as: AppAs, floor: ShopFloor) -> None:
    tab = app_as(floor.person("agent"), "words")
    assert not tab.exception
    assert zh("words.empty") in shown(tab)
    assert tab.button(key="words_adopt_all").disabled


def test_a_clean_text_is_called_clean_and_nothing_is_stored(app_as: AppAs, floor: ShopFloor) -> None:
    before = floor.one("select count(*) from public.text_checks")
    tab = typed(app_as, floor, "加厚珊瑚绒睡衣，柔软亲肤")
    assert zh("words.clean_hint") in shown(tab)
    assert floor.one("select count(*) from public.text_checks") == before


def test_one_proposal_is_taken_and_the_rest_stays(app_as: AppAs, floor: ShopFloor) -> None:
    tab = typed(app_as, floor, "最佳面霜，国家级认证")
    tab.button(key="words_hit_0_adopt").click().run()
    text = tab.session_state["words_text"]
    assert "最佳" not in text
    assert "国家级" in text
    assert zh("words.verdict.block") in shown(tab)


def test_all_proposals_are_taken_and_taken_back(app_as: AppAs, floor: ShopFloor) -> None:
    tab = typed(app_as, floor, "最佳面霜，国家级认证")
    tab.button(key="words_adopt_all").click().run()
    assert "最佳" not in tab.session_state["words_text"]
    assert "国家级" not in tab.session_state["words_text"]
    tab.button(key="words_restore").click().run()
    assert tab.session_state["words_text"] == "最佳面霜，国家级认证"


def test_the_address_says_what_the_text_is_for(app_as: AppAs, floor: ShopFloor) -> None:
    query = {"category": "cosmetics", "kind": "title", "platform": "jd", "licences": "国妆特字:G2020"}
    tab = typed(app_as, floor, "面霜", **query)
    assert tab.selectbox(key="words_category").value == "cosmetics"
    assert tab.selectbox(key="words_platform").value == "jd"
    tab.selectbox(key="words_kind").set_value("reply").run()
    assert tab.query_params["kind"] == "reply"


def test_nonsense_in_the_address_is_ignored(app_as: AppAs, floor: ShopFloor) -> None:
    tab = typed(app_as, floor, "面霜", category="'; drop", kind="x", platform="y", tab="file")
    assert tab.selectbox(key="words_category").value == "general"
    assert not tab.get("segmented_control")  # an agent has the text tab alone


def test_a_hostile_text_is_shown_letter_by_letter(app_as: AppAs, floor: ShopFloor) -> None:
    words = shown(typed(app_as, floor, HOSTILE))
    assert "<script>" not in words
    assert "![](" not in words
    assert ":red-background[**最佳**]" in words


def test_marks_lie_on_the_letters_of_the_text() -> None:
    assert wording.marked("a最佳b", [(1, 3, "block")]) == "a:red-background[**最佳**]b"
    assert wording.marked("👍最佳", [(1, 3, "warn")]).endswith(":orange-background[**最佳**]")
    assert wording.marked("行\n二", []) == "行  \n二"


def test_what_was_typed_before_the_page_wrote_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    state: dict[str, object] = {}
    monkeypatch.setattr(editor.st, "session_state", state)
    editor.put("f", "old")
    state["f_field"] = type("Field", (), {"text": {"mark": "f-1", "value": "typed"}})()
    editor._typed("f")
    assert editor.text("f") == "typed"
    editor.put("f", "proposal")
    editor._typed("f")
    assert editor.text("f") == "proposal"


# --- files ---


def test_a_file_is_checked_and_its_result_read(app_as: AppAs, floor: ShopFloor) -> None:
    data = "标题,价格\n最佳面霜,9\n普通面霜,8\n".encode()
    client = texts.as_person(floor, "operations")
    commands.check_file(client, data, "商品.csv", columns=[0], request_id=uuid.uuid4())
    waiting = app_as(floor.person("operations"), "words", query={"tab": "file"})
    assert zh("words.file_state.waiting") in shown(waiting)
    texts.work(floor)
    words = shown(app_as(floor.person("operations"), "words", query={"tab": "file"}))
    assert zh("words.file.result", rows="2", block="1", warn="0", clean="1") in words
    book = reads.file_result(client, reads.file_checks(client)[0])
    rows = list(open_table(io.BytesIO(book), name="out.xlsx").rows())
    assert rows[1].cells[0] == zh("words.verdict.block")
    assert rows[2].cells[0] == zh("words.verdict.clean")


def test_a_file_can_be_cancelled(app_as: AppAs, floor: ShopFloor) -> None:
    client = texts.as_person(floor, "manager")
    number = commands.check_file(
        client, "标题\n面霜\n".encode(), "a.csv", columns=[0], request_id=uuid.uuid4()
    )
    tab = app_as(floor.person("manager"), "words", query={"tab": "file"})
    tab.button(key=f"words_file_cancel_{number}").click().run()
    assert reads.file_checks(client)[0].state == "cancelled"


def test_a_file_that_cannot_be_read_says_why(app_as: AppAs, floor: ShopFloor) -> None:
    client = texts.as_person(floor, "analyst")
    commands.check_file(client, b"%PDF-1.4 nothing", "a.csv", columns=[0], request_id=uuid.uuid4())
    texts.work(floor)
    tab = app_as(floor.person("analyst"), "words", query={"tab": "file"})
    assert zh("words.file_state.failed") in shown(tab)
    assert ".xlsx" in tab.error[0].value  # what the file is, and what to do about it


# --- listings and figures ---


@pytest.mark.parametrize("role", ["operations", "analyst"])
def test_listings_and_figures_are_drawn(app_as: AppAs, floor: ShopFloor, role: str) -> None:
    texts.write(floor, f"最佳面霜 {uuid.uuid4().hex[:6]}")
    goods = app_as(floor.person(role), "words", query={"tab": "goods"})
    assert not goods.exception
    assert zh("words.goods.now") in shown(goods)
    assert ("words_recheck" in [b.key for b in goods.button]) == (role in ("operations", "manager"))
    figures = app_as(floor.person(role), "words", query={"tab": "insight", "days": "7"})
    assert not figures.exception
    assert zh("words.chart.category") in shown(figures)
    assert int(figures.metric[0].value) >= 1


def test_a_recheck_is_started_by_hand(app_as: AppAs, floor: ShopFloor) -> None:
    tab = app_as(floor.person("operations"), "words", query={"tab": "goods"})
    tab.button(key="words_recheck").click().run()
    texts.work(floor)
    words = shown(app_as(floor.person("operations"), "words", query={"tab": "goods"}))
    assert zh("words.cause.person") in words


def test_the_page_speaks_english(app_as: AppAs, floor: ShopFloor) -> None:
    tab = app_as(hire(floor.stack, "agent", shops=[floor.code]), "words")
    tab.session_state["words_text"] = "最佳面霜"
    tab.button(key="desk_language").click().run()
    assert en("words.verdict.block") in shown(tab)
