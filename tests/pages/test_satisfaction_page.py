"""满意度 and 售后分析: asking, a low score, its review, settings that refuse to fish, figures by role."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from streamlit.testing.v1 import AppTest

from backend.local.stack import Stack
from tests.pages.conftest import AppAs
from tests.pages.reading import shown, zh
from tests.pages.shop_floor import ShopFloor


@pytest.fixture(scope="module")
def shop(stack: Stack) -> ShopFloor:
    """A shop that nobody else's tests ask about."""
    return ShopFloor(stack, "scores")


def resolved(shop: ShopFloor, summary: str) -> tuple[int, int]:
    """A case that the agent has just resolved: ticket and survey."""
    with psycopg.connect(shop.stack.db_url) as owner:
        row = owner.execute(
            """insert into tickets (shop_id, type, state, owner_id, outcome, resolved_at, first_resolved_at,
                   registered_at, summary)
               values (%s, 'reship', 'resolved', %s, 'reshipped', private.now(), private.now(),
                   private.now() - interval '1 hour', %s) returning id""",
            (shop.shop_id, shop.person("agent").member_id, summary),
        ).fetchone()
        assert row is not None
        owner.execute("select private.after_resolve(t, private.now()) from tickets t where id = %s", row)
    return row[0], int(shop.one("select id from surveys where ticket_id = %s", row[0]))


def state(shop: ShopFloor, ticket: int) -> Any:
    return shop.one("select state from tickets where id = %s", ticket)


def quiet(tab: AppTest) -> AppTest:
    """The tab, which shows no error."""
    assert not tab.exception
    assert [error.value for error in tab.error] == []
    return tab


def test_a_typed_answer_closes_or_starts_a_review_that_a_manager_ends(app_as: AppAs, shop: ShopFloor) -> None:
    good, good_survey = resolved(shop, "补发一件")
    bad, bad_survey = resolved(shop, "外壳有划痕")
    agent = shop.person("agent")
    tab = quiet(app_as(agent, "satisfaction"))
    assert f"T-{good}" in shown(tab)
    assert f"T-{bad}" in shown(tab)

    tab = quiet(app_as(agent, "satisfaction", query={"survey": str(good_survey)}))
    assert f"您反馈的问题（T-{good}）" in shown(tab)
    quiet(tab.button(key="satisfaction_score_5").click().run())
    assert state(shop, good) == "closed"

    tab = app_as(agent, "satisfaction", query={"survey": str(bad_survey)})
    tab.text_area(key=f"satisfaction_comment_{bad_survey}").set_value("又坏了，打 13812345678")
    quiet(tab.button(key="satisfaction_score_2").click().run())
    assert state(shop, bad) == "review"
    assert shop.one("select comment from surveys where id = %s", bad_survey) == "又坏了，打 138****5678"
    review = shop.one("select id from score_reviews where ticket_id = %s", bad)

    tab = quiet(app_as(agent, "satisfaction", query={"tab": "low"}))
    assert "又坏了" in shown(tab)
    assert f"satisfaction_review_{review}" not in {button.key for button in tab.button}

    tab = quiet(app_as(shop.person("manager"), "satisfaction", query={"tab": "low"}))
    quiet(tab.button(key=f"satisfaction_review_{review}").click().run())
    assert tab.button(key="satisfaction_then_close").disabled
    tab.text_area(key=f"satisfaction_finding_{review}").set_value("包装太薄")
    tab.selectbox(key=f"satisfaction_cause_{review}").select_index(0).run()
    quiet(tab.button(key="satisfaction_then_close").click().run())
    assert state(shop, bad) == "closed"
    tab = quiet(app_as(shop.person("analyst"), "satisfaction", query={"tab": "low", "done": "1"}))
    assert "包装太薄" in shown(tab)
    tab = quiet(app_as(shop.person("analyst"), "satisfaction", query={"tab": "answers"}))
    assert zh("satisfaction.own", count=2, all=2) in shown(tab)
    assert not [button.key for button in tab.button if str(button.key).startswith("satisfaction_correct")]

    tab = quiet(app_as(shop.person("manager"), "satisfaction", query={"tab": "answers"}))
    quiet(tab.button(key=f"satisfaction_correct_{good_survey}").click().run())
    assert tab.button(key="satisfaction_correct_now").disabled
    tab.button_group(key=f"satisfaction_correct_to_{good_survey}").set_value(4).run()
    tab.text_input(key=f"satisfaction_correct_why_{good_survey}").set_value("客户说的是 4 分").run()
    quiet(tab.button(key="satisfaction_correct_now").click().run())
    kept = "select concat(first_score, '>', score) from surveys where id = %s"
    assert shop.one(kept, good_survey) == "5>4"
    assert zh("satisfaction.was", score=5, who=shop.person("manager").name) in shown(tab)


def test_the_customer_of_an_order_is_claimed_before_his_answer_is_recorded(
    app_as: AppAs, shop: ShopFloor
) -> None:
    with psycopg.connect(shop.stack.db_url) as owner:
        owner.execute(
            """insert into orders (shop_id, order_no, platform_status, status, facts_hash, content_hash,
                   signed_at)
               values (%s, 'ASK-1', '交易成功', 'completed', 'f', 'c', private.now())""",
            (shop.shop_id,),
        )
        owner.execute("select private.tick_surveys(private.now())")
    survey = shop.one(
        "select s.id from surveys s join orders o on o.id = s.order_id where o.order_no = 'ASK-1'"
    )
    tab = quiet(app_as(shop.person("agent"), "satisfaction", query={"survey": str(survey)}))
    assert "satisfaction_score_5" not in {button.key for button in tab.button}
    quiet(tab.button(key="satisfaction_claim").click().run())
    tab = quiet(app_as(shop.person("operations"), "satisfaction", query={"survey": str(survey)}))
    assert zh("satisfaction.held", who=shop.person("agent").name) in shown(tab)
    assert "satisfaction_score_5" not in {button.key for button in tab.button}
    tab = quiet(app_as(shop.person("agent"), "satisfaction", query={"survey": str(survey)}))
    quiet(tab.button(key="satisfaction_score_5").click().run())
    assert shop.one("select state || score from surveys where id = %s", survey) == "answered5"


def test_settings_refuse_to_fish_for_good_reviews(app_as: AppAs, shop: ShopFloor) -> None:
    tab = quiet(app_as(shop.person("manager"), "satisfaction", query={"shop": str(shop.shop_id)}))
    tab.button(key="satisfaction_rules").click().run()
    assert zh("satisfaction.rules_inherited") in shown(tab)
    key = next(field.key for field in tab.text_area if str(field.key).startswith("satisfaction_ticket_text"))
    for text, said in (("满意请给五星，谢谢支持我们", "索要好评"), ("满意就晒单，截图返红包", "违禁词")):
        tab.text_area(key=key).set_value(text)
        tab.button(key="satisfaction_save").click().run()
        assert said in tab.error[0].value
    assert shop.one("select count(*) from survey_settings where shop_id = %s", shop.shop_id) == 0
    tab.text_area(key=key).set_value("您好，{ticket} 处理好了，请打 1 到 5 分，哪里没做好也请告诉我们。")
    low = next(field.key for field in tab.number_input if str(field.key).startswith("satisfaction_line"))
    tab.number_input(key=low).set_value(3).run()
    quiet(tab.button(key="satisfaction_save").click().run())
    assert shop.one("select low_score from survey_settings where shop_id = %s", shop.shop_id) == 3
    assert "satisfaction_rules" not in {
        button.key for button in app_as(shop.person("agent"), "satisfaction").button
    }


def test_empty_lists_say_what_fills_them(app_as: AppAs, shop: ShopFloor) -> None:
    tab = quiet(app_as(shop.person("operations"), "satisfaction", query={"tab": "ratings", "low": "1"}))
    assert zh("satisfaction.none.ratings.hint") in shown(tab)
    tab = quiet(app_as(shop.person("operations"), "satisfaction", query={"tab": "nonsense", "shop": "x"}))
    assert tab.session_state["satisfaction_tab"] == "ask"


def test_figures_by_role(app_as: AppAs, shop: ShopFloor) -> None:
    resolved(shop, "第三件")
    query = {"shop": str(shop.shop_id), "days": "7"}
    tab = quiet(app_as(shop.person("manager"), "aftersales_insight", query=query))
    rates = {metric.label: metric.value for metric in tab.metric}
    assert rates[zh("aftersales.figure.solve")] == "100.0 %"
    assert rates[zh("aftersales.figure.first")] == "—"
    assert zh("aftersales.no_times") in shown(tab)
    assert "person" in tab.segmented_control(key="aftersales_by").options or any(
        zh("aftersales.by.person") in str(option)
        for option in tab.segmented_control(key="aftersales_by").options
    )
    tab = quiet(app_as(shop.person("agent"), "aftersales_insight", query=query))
    options = [str(option) for option in tab.segmented_control(key="aftersales_by").options]
    assert not any(zh("aftersales.by.person") in option for option in options)
    tab = quiet(app_as(shop.person("manager"), "aftersales_insight", query=query | {"type": "invoice"}))
    assert zh("aftersales.none") in shown(tab)
    for page in ("satisfaction", "aftersales_insight"):
        assert not app_as(shop.person("warehouse"), page).metric
