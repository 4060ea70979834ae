"""商品文案: the flow as each role sees it, steps for one and for many, conflicts, evidence."""

from __future__ import annotations

import uuid
from datetime import date, timedelta

import pytest
from streamlit.testing.v1 import AppTest

from backend.compliance import commands, reads
from backend.local.stack import Stack
from pages.shared.words import listing_steps
from tests.pages import texts
from tests.pages.conftest import AppAs
from tests.pages.reading import en, shown, zh
from tests.pages.shop_floor import ShopFloor
from tests.people import hire

PNG = b"\x89PNG\r\n\x1a\n" + b"0" * 40


@pytest.fixture(scope="module")
def floor(stack: Stack) -> ShopFloor:
    return ShopFloor(stack, "lst1")


def opened(app_as: AppAs, floor: ShopFloor, listing_id: int, role: str = "operations") -> AppTest:
    tab = app_as(floor.person(role), "listings", query={"id": str(listing_id), "tab": "all"})
    assert not tab.exception
    return tab


def key(floor: ShopFloor, listing_id: int, name: str) -> str:
    return f"listings_{listing_id}_{texts.detail(floor, listing_id).listing.version}_{name}"


def has(tab: AppTest, name: str) -> bool:
    return name in [one.key for one in tab.button]


@pytest.mark.parametrize("role", ["analyst", "admin"])
def test_who_may_only_read_has_no_steps(app_as: AppAs, floor: ShopFloor, role: str) -> None:
    listing_id = texts.write(floor, "保湿面霜")
    tab = opened(app_as, floor, listing_id, role)
    assert "保湿面霜" in shown(tab)
    assert not has(tab, "listings_new")
    assert not has(tab, key(floor, listing_id, "submit"))


def test_a_text_goes_through_every_station(app_as: AppAs, floor: ShopFloor) -> None:
    listing_id = texts.write(floor, "保湿面霜")
    for role, step, station in (
        ("operations", "submit", "text_review"),
        ("manager", "approve", "images"),
        ("operations", "pictures", "final_review"),
        ("manager", "approve", "ready"),
        ("operations", "publish", "published"),
    ):
        tab = opened(app_as, floor, listing_id, role)
        version = texts.detail(floor, listing_id).listing.version
        if step == "pictures":
            tab.text_area(key=f"listings_urls_{listing_id}_{version}").set_value("https://img.example/1.jpg")
            tab.button(key=f"listings_pictures_send_{listing_id}").click().run()
        else:
            tab.button(key=key(floor, listing_id, step)).click().run()
        assert texts.detail(floor, listing_id).listing.state == station


def test_what_must_not_be_published_cannot_be_submitted(app_as: AppAs, floor: ShopFloor) -> None:
    listing_id = texts.write(floor, "最佳面霜")
    tab = opened(app_as, floor, listing_id)
    assert tab.button(key=key(floor, listing_id, "submit")).disabled
    assert "最佳" in shown(tab)
    assert zh("words.verdict.block") in shown(tab)
    assert "广告法" in shown(tab)  # the law beside the word
    assert texts.detail(floor, listing_id).listing.state == "draft"


def test_the_author_does_not_approve(app_as: AppAs, floor: ShopFloor) -> None:
    listing_id = texts.write(floor, "保湿面霜")
    ref = texts.ref(floor, listing_id)
    commands.submit(texts.as_person(floor, "operations"), [ref], request_id=uuid.uuid4())
    tab = opened(app_as, floor, listing_id)
    assert tab.button(key=key(floor, listing_id, "approve")).disabled
    other = opened(app_as, floor, listing_id, "manager")
    assert not other.button(key=key(floor, listing_id, "approve")).disabled


def test_sending_back_asks_for_a_reason(app_as: AppAs, floor: ShopFloor) -> None:
    listing_id = texts.write(floor, "保湿面霜")
    commands.submit(
        texts.as_person(floor, "operations"), [texts.ref(floor, listing_id)], request_id=uuid.uuid4()
    )
    tab = opened(app_as, floor, listing_id, "manager")
    assert tab.button(key=key(floor, listing_id, "return")).disabled
    tab.text_input(key=key(floor, listing_id, "reason")).set_value("规格没写").run()
    tab.button(key=key(floor, listing_id, "return")).click().run()
    found = texts.detail(floor, listing_id)
    assert found.listing.state == "draft"
    assert found.timeline[0].detail["reason"] == "规格没写"


def test_a_new_text_is_written_and_checked(app_as: AppAs, floor: ShopFloor) -> None:
    tab = app_as(floor.person("operations"), "listings", query={"id": "new"})
    assert not tab.exception
    title = f"新品面霜 {uuid.uuid4().hex[:6]}"
    tab.session_state["listings_form_0_0_title"] = title
    tab.run()
    tab.button(key="listings_form_0_0_save").click().run()
    found = reads.listings(texts.as_person(floor, "operations"), q=title)
    assert [(row.state, row.verdict) for row in found.rows] == [("draft", "clean")]


def test_somebody_else_was_faster_and_nothing_is_overwritten(app_as: AppAs, floor: ShopFloor) -> None:
    listing_id = texts.write(floor, "保湿面霜")
    tab = opened(app_as, floor, listing_id)
    version = texts.detail(floor, listing_id).listing.version
    tab.button(key=f"listings_edit_{listing_id}").click().run()
    field = f"listings_form_{listing_id}_{version}"
    tab.session_state[f"{field}_title"] = "我的标题"
    tab.run()
    draft = commands.Draft(floor.shop_id, "同事的标题")
    commands.save_listing(
        texts.as_person(floor, "manager"),
        texts.Service(texts.settings(floor)),
        draft,
        listing_id=listing_id,
        version=version,
        request_id=uuid.uuid4(),
    )
    tab.button(key=f"{field}_save").click().run()
    assert texts.detail(floor, listing_id).listing.title == "同事的标题"


def test_filters_come_from_the_address(app_as: AppAs, floor: ShopFloor) -> None:
    mark = uuid.uuid4().hex[:8]
    texts.write(floor, f"最佳面霜 {mark}")
    texts.write(floor, f"保湿面霜 {mark}")
    query = {"tab": "draft", "verdict": "block", "q": mark}
    tab = app_as(floor.person("operations"), "listings", query=query)
    titles = list(tab.dataframe[0].value["title"])
    assert titles == [f"最佳面霜 {mark}"]
    tab.text_input(key="listings_view_name").set_value(mark)
    tab.button(key="listings_view_save").click().run()
    again = app_as(floor.person("operations"), "listings")
    view = floor.one("select id from public.saved_views where area = 'listings' and name = %s", mark)
    again.button(key=f"listings_view_{view}").click().run()
    assert list(again.dataframe[0].value["title"]) == titles
    none = app_as(floor.person("operations"), "listings", query={"tab": "draft", "q": "没有这样的标题"})
    assert zh("listings.none_match") in shown(none)


def test_the_preview_knows_what_will_stay(floor: ShopFloor) -> None:
    client = texts.as_person(floor, "operations")
    mark = uuid.uuid4().hex[:8]
    for title in (f"最佳面霜 {mark}", f"保湿面霜 {mark}"):
        texts.write(floor, title)
    rows = reads.listings(client, q=mark).rows
    person = floor.person("operations")

    class Someone:
        id = person.member_id

        def has(self, *roles: str) -> bool:
            return "operations" in roles

    said = {row.title: listing_steps.expected(row, "submit", Someone(), "") for row in rows}  # type: ignore[arg-type]
    assert said == {f"最佳面霜 {mark}": "block", f"保湿面霜 {mark}": None}
    refs = [commands.ListingRef(row.id, row.version) for row in rows]
    moved = commands.submit(client, refs, request_id=uuid.uuid4())
    assert moved.done == 1
    assert [one.key for one in moved.refused] == ["text.blocked"]


def test_a_step_is_taken_back(app_as: AppAs, floor: ShopFloor) -> None:
    listing_id = texts.write(floor, "保湿面霜")
    tab = opened(app_as, floor, listing_id)
    tab.button(key=key(floor, listing_id, "submit")).click().run()
    tab.run()
    tab.button(key="listings_drawer_undo").click().run()
    assert texts.detail(floor, listing_id).listing.state == "draft"


def test_other_shops_see_nothing(app_as: AppAs, floor: ShopFloor) -> None:
    listing_id = texts.write(floor, "保湿面霜")
    stranger = hire(floor.stack, "operations")
    tab = app_as(stranger, "listings", query={"id": str(listing_id)})
    assert zh("listings.not_found") in shown(tab)
    assert "保湿面霜" not in shown(tab)


def test_evidence_is_asked_for_and_decided(app_as: AppAs, floor: ShopFloor) -> None:
    listing_id = texts.write(floor, "最佳面霜")
    client = texts.as_person(floor, "operations")
    number, _ = commands.request_exemption(
        client,
        shop_id=floor.shop_id,
        term="最佳",
        reason="award",
        note="奖项证书 2026",
        valid_until=date.today() + timedelta(days=200),
        request_id=uuid.uuid4(),
    )
    commands.add_evidence(client, number, "证书.png", PNG, request_id=uuid.uuid4())
    mine = app_as(floor.person("operations"), "dictionary", query={"tab": "evidence"})
    assert not has(mine, f"exemption_{number}_approve")
    boss = app_as(floor.person("manager"), "dictionary", query={"tab": "evidence"})
    boss.button(key=f"exemption_{number}_approve").click().run()
    assert texts.detail(floor, listing_id).listing.verdict != "block"
    assert zh("listings.exempt") in shown(opened(app_as, floor, listing_id))


def test_the_page_speaks_english(app_as: AppAs, floor: ShopFloor) -> None:
    tab = app_as(hire(floor.stack, "manager", shops=[floor.code]), "listings")
    tab.button(key="desk_language").click().run()
    assert tab.header[0].value == en("listings.title")
