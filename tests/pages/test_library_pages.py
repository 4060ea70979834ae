"""话术库, 知识库, 赠品与价格权限: as each role sees them, from writing to use."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from backend.library import commands, reads
from backend.library.models import OfferDraft, ScriptDraft, SolutionDraft
from backend.local.stack import Stack
from backend.orders import files
from backend.service import Service
from pages.shared import browser
from pages.shared.releasing import lists
from tests.pages import texts
from tests.pages.conftest import AppAs
from tests.pages.reading import en, shown, zh
from tests.pages.shop_floor import ShopFloor
from tests.people import hire


@pytest.fixture(scope="module")
def floor(stack: Stack) -> ShopFloor:
    return ShopFloor(stack, "lib1")


def client(floor: ShopFloor, who: str) -> Any:
    return texts.as_person(floor, who)


def mark() -> str:
    return uuid.uuid4().hex[:8]


def script(floor: ShopFloor, body: str, who: str = "operations", *steps: str, **more: Any) -> int:
    """A script of the shop, taken through steps (an approval by the manager); its id."""
    draft = ScriptDraft(f"问候 {mark()}", body, **{"area": "presales", "shop_id": floor.shop_id} | more)
    service = Service(texts.settings(floor))
    found, version, _ = commands.save_script(client(floor, who), service, draft, request_id=uuid.uuid4())
    for step in steps:
        by = "manager" if step == "approve" else who
        commands.move_script(client(floor, by), found, version, step, request_id=uuid.uuid4())  # type: ignore[arg-type]
        version += 1
    return found


def detail(floor: ShopFloor, script_id: int, who: str = "operations") -> Any:
    found = reads.script(client(floor, who), script_id)
    assert found is not None
    return found


def rule(floor: ShopFloor, *, approve: bool = True, **more: Any) -> int:
    """A gift rule of the shop; its id."""
    facts = {"gift_name": f"小样 {mark()}", "cost": Decimal(8), "shop_id": floor.shop_id} | more
    found = commands.save_offer(
        client(floor, "operations"), OfferDraft("gift", "满赠", **facts), request_id=uuid.uuid4()
    )
    if approve:
        commands.move_offer(client(floor, "manager"), found, 1, "approve", request_id=uuid.uuid4())
    return found


def has(tab: AppTest, key: str) -> bool:
    return key in [one.key for one in tab.button]


# --- scripts ---


def test_a_script_is_written_submitted_and_approved_by_another(app_as: AppAs, floor: ShopFloor) -> None:
    name = mark()
    tab = app_as(floor.person("agent"), "scripts", query={"id": "new"})
    assert not tab.exception
    form = "scripts_form_0_0"
    tab.text_input(key=f"{form}_title").set_value(f"问候 {name}")
    tab.session_state[f"{form}_body"] = "{顾客称呼}您好"
    tab.run()
    tab.button(key=f"{form}_save").click().run()
    made = reads.scripts(client(floor, "agent"), tab="draft", q=name).rows[0]
    assert (made.state, made.verdict, made.scope) == ("draft", "clean", "team")
    tab.run()
    tab.button(key=f"scripts_{made.id}_{made.version}_submit").click().run()
    own = app_as(floor.person("agent"), "scripts", query={"id": str(made.id)})
    assert not has(own, f"scripts_{made.id}_{made.version + 1}_approve")
    boss = app_as(floor.person("manager"), "scripts", query={"id": str(made.id)})
    boss.button(key=f"scripts_{made.id}_{made.version + 1}_approve").click().run()
    assert detail(floor, made.id).script.state == "approved"
    usable = app_as(floor.person("agent"), "scripts", query={"q": name})
    assert has(usable, f"scripts_open_{made.id}")
    assert name in shown(usable)


def test_a_word_or_a_variable_that_is_wrong_stops_it(app_as: AppAs, floor: ShopFloor) -> None:
    bad = script(floor, "全网最佳面霜")
    tab = app_as(floor.person("operations"), "scripts", query={"id": str(bad)})
    assert tab.button(key=f"scripts_{bad}_{detail(floor, bad).script.version}_submit").disabled
    assert zh("words.verdict.block") in shown(tab)
    new = app_as(floor.person("operations"), "scripts", query={"id": "new"})
    new.text_input(key="scripts_form_0_0_title").set_value("问候")
    new.session_state["scripts_form_0_0_body"] = "{老板电话}您好"
    new.run()
    assert zh("library.unknown_variable", name="老板电话") in shown(new)
    assert new.button(key="scripts_form_0_0_save").disabled


def test_a_copy_is_filled_in_and_counts_once(
    app_as: AppAs, floor: ShopFloor, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = script(floor, f"{{顾客称呼}}您好，我是{{客服}} {mark()}", "operations", "submit", "approve")
    seen: dict[str, str] = {}
    clicks = [True]

    def click(label: str, text: str, *, copied: str, key: str, tell: bool = False) -> bool:
        seen[key] = text
        return tell and key == f"scripts_copy_{made}" and clicks.pop() if clicks else False

    monkeypatch.setattr(browser, "copy_button", click)
    person = floor.person("agent")
    name = detail(floor, made).script.title.split()[1]
    tab = app_as(person, "scripts", query={"q": name})
    assert not tab.exception
    text = seen[f"scripts_copy_{made}"]
    assert text.startswith("{顾客称呼}您好，我是")
    assert "{客服}" not in text
    tab.text_input(key="library_value_顾客称呼").set_value("王女士").run()
    assert seen[f"scripts_copy_{made}"].startswith("王女士您好")
    assert floor.one("select count(*) from script_uses where script_id = %s", made) == 1
    stats = app_as(floor.person("manager"), "scripts", query={"tab": "figures"})
    assert name in str(stats.dataframe[0].value["title"].tolist())


def test_a_personal_script_needs_nobody_else(app_as: AppAs, floor: ShopFloor) -> None:
    made = script(floor, f"我的口头禅 {mark()}", "agent", scope="personal")
    tab = app_as(floor.person("agent"), "scripts", query={"id": str(made)})
    tab.button(key=f"scripts_{made}_{detail(floor, made, 'agent').script.version}_submit").click().run()
    assert detail(floor, made, "agent").script.state == "approved"
    other = app_as(floor.person("operations"), "scripts", query={"id": str(made)})
    assert zh("library.not_found") in shown(other)


def test_filters_empty_states_and_other_shops(app_as: AppAs, floor: ShopFloor) -> None:
    made = script(floor, f"您好 {mark()}", "operations", "submit", "approve")
    tab = app_as(floor.person("agent"), "scripts", query={"q": "没有这样的话术"})
    assert zh("library.none_match") in shown(tab)
    late = datetime.now(UTC) - timedelta(minutes=1)
    floor.one("update script_revisions set expires_at = %s where script_id = %s returning 1", late, made)
    over = app_as(floor.person("agent"), "scripts", query={"tab": "over"})
    assert zh("library.about.over") in shown(over)
    nonsense = app_as(floor.person("agent"), "scripts", query={"tab": "'; drop", "id": "x", "stage": "nix"})
    assert not nonsense.exception
    stranger = app_as(hire(floor.stack, "manager"), "scripts", query={"id": str(made)})
    assert zh("library.not_found") in shown(stranger)


def test_who_only_reads_writes_nothing(app_as: AppAs, floor: ShopFloor) -> None:
    for role in ("analyst", "warehouse"):
        for page in ("scripts", "knowledge", "gifts"):
            tab = app_as(floor.person(role), page)
            assert not tab.exception
            assert not has(tab, f"{page}_new")
            tab = app_as(floor.person(role), page, query={"id": "new"})
            assert zh("common.no_access") in shown(tab)


# --- knowledge ---


def test_a_solution_is_written_and_published(app_as: AppAs, floor: ShopFloor) -> None:
    name = mark()
    tab = app_as(floor.person("agent"), "knowledge", query={"id": "new"})
    form = "knowledge_form_0_0"
    tab.text_input(key=f"{form}_title").set_value(f"补发 {name}")
    tab.text_area(key=f"{form}_steps").set_value("1. 登记补发").run()
    assert tab.button(key=f"{form}_save").disabled  # nobody would ever find it
    cause = reads.root_causes(client(floor, "agent"))[1]
    tab.selectbox(key=f"{form}_cause").select(cause.id).run()
    tab.button(key=f"{form}_save").click().run()
    made = reads.solutions(client(floor, "agent"), tab="draft", q=name).rows[0]
    mine = app_as(floor.person("agent"), "knowledge", query={"id": str(made.id)})
    assert not has(mine, f"knowledge_{made.id}_{made.version}_published")
    boss = app_as(floor.person("manager"), "knowledge", query={"id": str(made.id)})
    boss.button(key=f"knowledge_{made.id}_{made.version}_published").click().run()
    assert reads.suggest(client(floor, "agent"), root_cause_id=cause.id)[0].id
    assert name in shown(app_as(floor.person("agent"), "knowledge", query={"q": name}))


def test_somebody_else_changed_the_solution_meanwhile(app_as: AppAs, floor: ShopFloor) -> None:
    draft = SolutionDraft("原来的标题", "1. 步骤", case_types=("reship",))
    made, version = commands.save_solution(client(floor, "operations"), draft, request_id=uuid.uuid4())
    tab = app_as(floor.person("operations"), "knowledge", query={"id": str(made)})
    tab.button(key=f"knowledge_edit_{made}").click().run()
    form = f"knowledge_form_{made}_{version}"
    tab.text_input(key=f"{form}_title").set_value("我的标题")
    other = SolutionDraft("同事的标题", "1. 步骤", case_types=("reship",))
    commands.save_solution(
        client(floor, "manager"), other, request_id=uuid.uuid4(), solution_id=made, version=version
    )
    tab.button(key=f"{form}_save").click().run()
    found = reads.solution(client(floor, "manager"), made)
    assert found is not None
    assert found.solution.title == "同事的标题"


def test_causes_and_reasons_are_edited_by_leaders_alone(app_as: AppAs, floor: ShopFloor) -> None:
    name = mark()
    boss = app_as(floor.person("manager"), "knowledge", query={"view": "causes"})
    assert not boss.exception
    boss.text_input(key="causes_new_name").set_value(name)
    boss.button(key="causes_new_save").click().run()
    assert name in [one.name for one in reads.root_causes(client(floor, "agent"))]
    agent = app_as(floor.person("agent"), "knowledge", query={"view": "causes"})
    assert name in shown(agent)
    assert not has(agent, "causes_new_save")
    boss = app_as(floor.person("manager"), "knowledge", query={"view": "reasons"})
    boss.text_input(key="reasons_new_close_text").set_value(name)
    boss.button(key="reasons_new_close_save").click().run()
    assert name in [one.text for one in reads.reasons(client(floor, "agent"), "close")]
    reuse = app_as(floor.person("agent"), "knowledge", query={"view": "reuse"})
    assert not reuse.exception
    assert reuse.metric[0].value == "—"  # nothing solved: no figure, never 0 %


# --- gifts and prices ---


def test_a_gift_rule_is_written_and_decided_by_another(app_as: AppAs, floor: ShopFloor) -> None:
    name = mark()
    tab = app_as(floor.person("manager"), "gifts", query={"id": "new"})
    form = "gifts_form_gift_0_0"
    tab.text_input(key=f"{form}_name").set_value(name).run()
    tab.button(key=f"{form}_save").click().run()  # without gift and cost
    assert zh("common.no_access") not in shown(tab)
    assert not reads.offers(client(floor, "manager"), "gift", tab="pending", q=name).rows
    tab.text_input(key=f"{form}_gift").set_value("小样")
    tab.number_input(key=f"{form}_cost").set_value(8.0)
    tab.number_input(key=f"{form}_min_amount").set_value(199.0)
    tab.button(key=f"{form}_save").click().run()
    made = reads.offers(client(floor, "manager"), "gift", tab="pending", q=name).rows[0]
    own = app_as(floor.person("manager"), "gifts", query={"id": str(made.id)})
    assert own.button(key=f"gifts_{made.id}_1_approve").disabled
    boss = app_as(floor.person("admin"), "gifts", query={"id": str(made.id)})
    boss.button(key=f"gifts_{made.id}_1_approve").click().run()
    assert [
        one.id
        for one in reads.offers_for(client(floor, "agent"), floor.shop_id, [], Decimal(200)).gifts
        if one.id == made.id
    ]
    assert name in shown(app_as(floor.person("agent"), "gifts", query={"q": name}))
    prices = app_as(floor.person("agent"), "gifts", query={"view": "price", "tab": "pending"})
    assert not prices.exception


def test_a_gift_is_promised_in_the_drawer_and_packed(app_as: AppAs, floor: ShopFloor) -> None:
    made = rule(floor)
    order_id = floor.one(
        """insert into orders (shop_id, order_no, platform_status, status, facts_hash, content_hash, amount)
           values (%s, %s, '待发货', 'to_ship', 'f', 'c', 300) returning id""",
        floor.shop_id,
        f"GIFT-{mark()}",
    )
    tab = app_as(floor.person("manager"), "orders", query={"id": str(order_id)})
    assert not tab.exception
    tab.button(key=f"gifts_promise_{order_id}_{made}").click().run()
    gift = reads.order_gifts(client(floor, "manager"), order_id)
    assert gift is not None
    assert len(gift.gifts) == 1
    floor.one("update orders set status = 'shipped', shipped_at = now() where id = %s returning 1", order_id)
    whs = app_as(floor.person("warehouse"), "gifts")
    assert gift.gifts[0].name in shown(whs)
    whs.button(key=f"gift_check_pack_{gift.gifts[0].id}").click().run()
    after = reads.order_gifts(client(floor, "manager"), order_id)
    assert after is not None
    assert after.gifts[0].packed_at is not None
    analyst = app_as(floor.person("analyst"), "gifts", query={"view": "check"})
    assert not has(analyst, "gift_check_pack")


def test_gifts_stand_on_the_lists_by_name() -> None:
    goods = {"sku": "A", "name": "面霜", "spec": "", "quantity": 1, "is_gift": False}
    gift = {"sku": "B", "name": "小样", "spec": "", "quantity": 2, "is_gift": True}
    picked = lists.with_gifts_marked(
        {"by_sku": [goods, gift], "by_order": [{"id": 1, "items": [goods, gift]}]}
    )
    assert [row["name"] for row in picked["by_sku"]] == ["面霜", "【赠品】小样"]
    assert [item["name"] for item in picked["by_order"][0]["items"]] == ["面霜", "【赠品】小样"]
    row = {"paid_at": None, "promise_ship_at": None, "amount": 100, "items": [goods], "gifts": [gift]}
    lines = [(line["goods"], line["quantity"], line["amount"]) for line in files._lines(row, files.SHANGHAI)]
    assert lines == [("面霜", 1, Decimal(100)), ("【赠品】小样", 2, None)]


def test_the_pages_speak_english(app_as: AppAs, floor: ShopFloor) -> None:
    for page, title in (("scripts", "scripts"), ("knowledge", "knowledge"), ("gifts", "gifts")):
        tab = app_as(hire(floor.stack, "manager", shops=[floor.code]), page)
        tab.button(key="desk_language").click().run()
        assert tab.header[0].value == en(f"library.{title}")
