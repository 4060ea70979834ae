"""班次日历: read by many, changed by managers after a look at the effect."""

from __future__ import annotations

from datetime import date
from typing import Any

import psycopg
import pytest
from streamlit.testing.v1 import AppTest

from backend.local.stack import Stack
from tests.pages.conftest import AppAs
from tests.pages.reading import shown, zh
from tests.pages.shop_floor import ShopFloor

CODE = "page-test"


@pytest.fixture(scope="module")
def floor(stack: Stack) -> ShopFloor:
    """A shop with a calendar of its own, so that nobody else's deadlines move."""
    made = ShopFloor(stack, "cal1")
    with psycopg.connect(stack.db_url) as owner:
        owner.execute(
            """with c as (insert into public.calendars (code, name) values (%s, '测试日历') returning id)
               insert into public.calendar_shifts (calendar_id, name, weekdays, opens, closes)
               select id, '白班', '{1,2,3,4,5,6,7}', 540, 1080 from c""",
            (CODE,),
        )
    return made


def opened(app_as: AppAs, floor: ShopFloor, role: str, view: str = "shifts") -> AppTest:
    tab = app_as(floor.person(role), "calendars", query={"view": view, "calendar": CODE})
    assert not tab.exception
    return tab


def facts(floor: ShopFloor) -> Any:
    with psycopg.connect(floor.stack.db_url) as owner:
        return owner.execute(
            """select c.id, c.version, s.id, s.name, s.opens, s.closes, s.min_staff
               from public.calendars c join public.calendar_shifts s on s.calendar_id = c.id
               where c.code = %s""",
            (CODE,),
        ).fetchone()


def buttons(tab: AppTest) -> set[str]:
    return {one.key or "" for one in tab.button}


@pytest.mark.parametrize(
    ("role", "view"),
    [("operations", "shifts"), ("analyst", "month"), ("operations", "years"), ("analyst", "campaigns")],
)
def test_some_only_read(app_as: AppAs, floor: ShopFloor, role: str, view: str) -> None:
    tab = opened(app_as, floor, role, view)
    assert zh("calendars.read_only") in shown(tab)
    assert not [key for key in buttons(tab) if key.endswith(("_preview", "_save", "_send"))]


def test_a_shift_is_changed_after_a_look_at_the_effect(app_as: AppAs, floor: ShopFloor) -> None:
    with psycopg.connect(floor.stack.db_url) as owner:  # an open deadline that counts by this calendar
        owner.execute(
            """insert into public.sla_policies
                   (code, name, applies_to, target, measure, calendar_id, allowance)
               select 'cal_page', '页面测试', 'cal_page', 'done', 'working', id, 1200
               from public.calendars where code = %s""",
            (CODE,),
        )
        owner.execute(
            "select private.start_clock('cal_page', 1, %s, 'done', 'cal_page', private.now())",
            (floor.shop_id,),
        )
    calendar_id, version, shift_id, *_ = facts(floor)
    tab = opened(app_as, floor, "manager")
    key = f"calendars_{calendar_id}_{version}"
    assert zh("calendars.nothing_changed") in shown(tab)
    tab.text_input(key=f"{key}_{shift_id}_hours").set_value("09:00–20:00").run()
    assert f"{key}_save" not in buttons(tab)  # first the effect
    tab.button(key=f"{key}_preview").click().run()
    effect = next(one.value for one in tab.info)
    assert "1 条的到期时间会变：1 条提前" in effect
    assert facts(floor)[5] == 1080  # tried and undone
    tab.number_input(key=f"{key}_{shift_id}_least").set_value(3).run()
    assert f"{key}_save" not in buttons(tab)  # another change, another look
    tab.button(key=f"{key}_preview").click().run()
    tab.button(key=f"{key}_save").click().run()
    assert not tab.exception
    assert facts(floor)[4:] == (540, 1200, 3)


def test_hours_that_mean_nothing_are_refused_with_a_sentence(app_as: AppAs, floor: ShopFloor) -> None:
    calendar_id, version, shift_id, *_ = facts(floor)
    tab = opened(app_as, floor, "manager")
    tab.text_input(key=f"calendars_{calendar_id}_{version}_{shift_id}_hours").set_value("九点").run()
    assert len(tab.error) == 1
    assert f"calendars_{calendar_id}_{version}_preview" not in buttons(tab)


def test_who_was_faster_is_named(app_as: AppAs, floor: ShopFloor) -> None:
    calendar_id, version, shift_id, *_ = facts(floor)
    tab = opened(app_as, floor, "manager")
    key = f"calendars_{calendar_id}_{version}"
    tab.text_input(key=f"{key}_name").set_value("改名").run()
    tab.button(key=f"{key}_preview").click().run()
    with psycopg.connect(floor.stack.db_url) as owner:
        owner.execute("update public.calendar_shifts set min_staff = 4 where id = %s", (shift_id,))
    tab.button(key=f"{key}_save").click().run() if f"{key}_save" in buttons(tab) else tab.run()
    assert floor.one("select name from public.calendars where id = %s", calendar_id) == "测试日历"


def test_a_calendar_is_added_and_a_taken_code_refused(app_as: AppAs, floor: ShopFloor) -> None:
    tab = opened(app_as, floor, "manager")
    for code in ("page-more", CODE):
        tab.text_input(key="calendars_new_name").set_value("纽约")
        tab.text_input(key="calendars_new_code").set_value(code)
        tab.text_input(key="calendars_new_shift").set_value("白班")
        tab.selectbox(key="calendars_new_zone").set_value("America/New_York")
        tab.button(key="calendars_new_send").click().run()
    assert len(tab.error) == 1
    found = "select timezone || ' ' || kind from public.calendars where code = 'page-more'"
    assert floor.one(found) == "America/New_York working"


def test_a_single_date_gets_own_hours_and_they_go_again(app_as: AppAs, floor: ShopFloor) -> None:
    stored = """select count(*) from public.calendar_days d join public.calendars c on c.id = d.calendar_id
        where c.code = %s"""
    for kind, count in (("closed", 1), ("usual", 0)):
        tab = opened(app_as, floor, "manager", "month")
        calendar_id, version, *_ = facts(floor)
        first = tab.session_state["calendars_month"]
        tab.selectbox(key=f"calendars_own_day_{calendar_id}_{first}").set_value(first.replace(day=28)).run()
        key = f"calendars_own_{calendar_id}_{first.replace(day=28)}_{version}"
        tab.segmented_control(key=f"{key}_kind").set_value(kind).run()
        tab.button(key=f"{key}_preview").click().run()
        tab.button(key=f"{key}_save").click().run()
        assert not tab.exception
        assert floor.one(stored, CODE) == count


def test_a_years_list_is_typed_shown_and_imported(app_as: AppAs, floor: ShopFloor) -> None:
    tab = opened(app_as, floor, "manager", "years")
    tab.number_input(key="calendars_typed_year").set_value(2031).run()
    tab.text_area(key="calendars_typed_holidays").set_value("2031-01-01~2031-01-03").run()
    tab.text_area(key="calendars_typed_makeup").set_value("2031-01-05").run()
    assert zh("calendars.holidays", count=3) in shown(tab)
    assert "01-01–01-03" in shown(tab)
    tab.button(key="calendars_year_preview").click().run()
    tab.button(key="calendars_year_save").click().run()
    assert not tab.exception
    assert floor.one("select holidays[3] from public.holiday_years where year = 2031") == date(2031, 1, 3)


def test_dates_that_mean_nothing_stop_the_import(app_as: AppAs, floor: ShopFloor) -> None:
    tab = opened(app_as, floor, "manager", "years")
    tab.text_area(key="calendars_typed_holidays").set_value("元旦").run()
    assert len(tab.error) == 1
    assert "calendars_year_preview" not in buttons(tab)


def test_a_campaign_is_saved_and_ended(app_as: AppAs, floor: ShopFloor) -> None:
    tab = opened(app_as, floor, "manager", "campaigns")
    tab.text_input(key="campaigns_new_name").set_value("双12 页面").run()
    tab.multiselect(key="campaigns_new_calendars").set_value([facts(floor)[0]]).run()
    tab.toggle(key="campaigns_new_hands").set_value(False).run()
    tab.button(key="campaigns_new_preview").click().run()
    assert floor.one("select count(*) from public.campaigns where name = '双12 页面'") == 0
    tab.button(key="campaigns_new_save").click().run()
    assert not tab.exception
    campaign_id = floor.one("select id from public.campaigns where name = '双12 页面'")
    tab = opened(app_as, floor, "manager", "campaigns")
    assert zh("campaigns.coming") in shown(tab)
    tab.button(key=f"campaigns_end_now_{campaign_id}").click().run()
    assert not tab.exception
    assert floor.one("select ends_at = starts_at from public.campaigns where id = %s", campaign_id) is True


def test_deadlines_that_wait_for_a_year_are_told(app_as: AppAs, floor: ShopFloor) -> None:
    with psycopg.connect(floor.stack.db_url) as owner:
        owner.execute(
            "select private.start_clock('cal_page', 2, %s, 'wait', 'refund_arrival', '2040-05-05T02:00Z')",
            (floor.shop_id,),
        )
    tab = opened(app_as, floor, "manager")
    assert zh("calendars.waiting", count=1, names="工作日") in [one.value for one in tab.warning]
