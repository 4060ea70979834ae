"""排班: everybody reads it; managers plan by grid, pattern, file and person; the slower of two is refused."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import psycopg
import pytest
from streamlit.testing.v1 import AppTest

from backend import rota, rota_patterns
from backend.local.stack import Stack
from pages.shared.rota import grid
from tests.pages.conftest import AppAs
from tests.pages.reading import shown, zh
from tests.pages.shop_floor import ROLES, ShopFloor

MONDAY = rota_patterns.week_of(datetime.now(ZoneInfo("Asia/Shanghai")).date()) + timedelta(days=7)


@pytest.fixture
def floor(stack: Stack, request: pytest.FixtureRequest) -> ShopFloor:
    """A shop of this test's own."""
    return ShopFloor(stack, f"rota-{abs(hash(request.node.name)) % 10**8}")


def opened(app_as: AppAs, floor: ShopFloor, role: str, view: str = "table", day: date = MONDAY) -> AppTest:
    tab = app_as(floor.person(role), "rota", query={"from": day.isoformat(), "view": view})
    assert not tab.exception
    return tab


def stored(floor: ShopFloor, role: str, day: date = MONDAY) -> Any:
    """Kind, note and shifts of a person's day, as the owner finds them."""
    with psycopg.connect(floor.stack.db_url) as owner:
        return owner.execute(
            """select d.kind, d.note, d.source, d.version,
                   (select array_agg(e.shift_name || case when e.is_lead then '*' else '' end order by e.id)
                    from public.rota_entries e where e.member_id = d.member_id and e.day = d.day)
               from public.rota_days d where d.member_id = %s and d.day = %s""",
            (floor.person(role).member_id, day),
        ).fetchone()


def shift_of(floor: ShopFloor, name: str) -> int:
    query = """select s.id from public.calendar_shifts s join public.calendars c on c.id = s.calendar_id
        where c.code = 'all' and s.name = %s"""
    return int(floor.one(query, name))


def paste(tab: AppTest, text: str) -> AppTest:
    tab.text_area(key="rota_paste_0").set_value(text).run()
    assert not tab.exception
    return tab


def test_a_pasted_table_is_read_shown_and_saved(app_as: AppAs, floor: ShopFloor) -> None:
    agent, clerk = floor.person("agent"), floor.person("warehouse")
    tab = opened(app_as, floor, "manager", "import")
    paste(
        tab,
        f"姓名\t工号\t{MONDAY:%m-%d}\t{MONDAY + timedelta(1):%m-%d}\n"
        f"x\t{agent.staff_no}\t早班（主）\t通宵班\n{clerk.name}\t\t休\t\n谁\t\t早班\t\n",
    )
    assert zh("rota.import_read", people=2, cells=2, refused=2) in shown(tab)
    reasons = list(tab.dataframe[0].value["reason"])
    assert reasons[0].startswith("没有「通宵班」这个班次。可以写：早班、晚班")  # others may have added shifts
    assert reasons[1] == zh("rota.row.unknown", name="谁")
    assert list(tab.dataframe[0].value["row"]) == [2, 4]
    assert stored(floor, "agent") is None  # nothing before saving
    tab.button(key="rota_save_import").click().run()
    assert not tab.exception
    assert stored(floor, "agent") == ("work", "", "imported", 1, ["早班*"])
    assert stored(floor, "warehouse") == ("rest", "", "imported", 1, None)


def test_everybody_reads_the_rota_and_plans_nothing(app_as: AppAs, floor: ShopFloor) -> None:
    paste(
        opened(app_as, floor, "manager", "import"),
        f"工号\t{MONDAY}\n{floor.person('agent').staff_no}\t晚班\n",
    ).button(key="rota_save_import").click().run()
    seen = {}
    for role in sorted(set(ROLES) - {"manager", "admin"}):
        tab = opened(app_as, floor, role)
        table = tab.dataframe[0].value
        row = table[table["name"] == floor.person("agent").name].iloc[0]
        steps = [one for one in tab.button if (one.key or "").startswith(("rota_save", "rota_discard"))]
        seen[role] = (row[MONDAY.isoformat()], len(steps), len(tab.get("download_button")))
    assert seen == dict.fromkeys(("agent", "analyst", "operations", "warehouse"), ("晚班", 0, 2))


def test_another_shops_rota_is_not_shown(app_as: AppAs, floor: ShopFloor, stack: Stack) -> None:
    floor.person("agent")
    other = ShopFloor(stack, f"{floor.code}-x")
    tab = opened(app_as, other, "operations")
    names = set(tab.dataframe[0].value["name"])
    assert other.person("operations").name in names
    assert floor.person("agent").name not in names


def test_the_slower_of_two_planners_is_told_who_was_faster(app_as: AppAs, floor: ShopFloor) -> None:
    agent, admin = floor.person("agent"), floor.person("admin")
    tab = paste(opened(app_as, floor, "manager", "import"), f"工号\t{MONDAY}\n{agent.staff_no}\t早班\n")
    with psycopg.connect(floor.stack.db_url) as owner:
        owner.execute(
            "insert into public.rota_days (member_id, day, kind, source, changed_by, updated_at)"
            " values (%s, %s, 'leave', 'edited', %s, now())",
            (agent.member_id, MONDAY, admin.member_id),
        )
    tab.button(key="rota_save_import").click().run()
    (error,) = [one.value for one in tab.error]
    assert admin.name in error
    assert "+00:00" not in error  # a time as people read it
    assert stored(floor, "agent") == ("leave", "", "edited", 1, None)
    tab.button(key="rota_discard_import").click().run()
    assert not tab.error


def test_a_pattern_is_previewed_with_warnings_and_saved(app_as: AppAs, floor: ShopFloor) -> None:
    agent, manager = floor.person("agent"), floor.person("manager")
    tab = opened(app_as, floor, "manager", "generate")
    early = shift_of(floor, "早班")
    key = f"rota_group_{early}_{MONDAY}_0"
    assert (
        manager.member_id in tab.multiselect(key=key).value
    )  # managers and agents are proposed on a first day
    tab.multiselect(key=key).set_value([manager.member_id, agent.member_id]).run()
    assert stored(floor, "agent") is None
    preview = next(one.value for one in tab.dataframe if "days" in one.value.columns)
    assert set(preview["name"]) == {agent.name, manager.name}
    assert zh("rota.difference", count=14, people=2) in shown(tab)
    tab.button(key="rota_save_generate").click().run()
    assert not tab.exception
    counted = "select count(*) from public.rota_days where source = 'generated' and member_id = any (%s)"
    assert floor.one(counted, [agent.member_id, manager.member_id]) == 14
    tab = opened(app_as, floor, "manager", "copy", MONDAY + timedelta(days=7))
    tab.button(key="rota_save_copy").click().run()
    copied = "select count(*) from public.rota_days where source = 'copied' and member_id = any (%s)"
    assert floor.one(copied, [agent.member_id, manager.member_id]) == 14


def test_one_persons_night_with_a_note(app_as: AppAs, floor: ShopFloor) -> None:
    agent = floor.person("agent")
    tab = opened(app_as, floor, "manager")
    tab.selectbox(key="rota_one_person").set_value(agent.member_id).run()
    key = f"rota_one_{agent.member_id}_{MONDAY}_0_0"
    late = shift_of(floor, "晚班")
    tab.segmented_control(key=f"{key}_kind").set_value("work").run()
    assert zh("rota.choose_shift") in shown(tab)
    tab.pills(key=f"{key}_shifts").set_value([late]).run()
    tab.segmented_control(key=f"{key}_{late}_part").set_value("lead").run()
    until = tab.selectbox(key=f"{key}_{late}_until")
    until.set_value(
        datetime(MONDAY.year, MONDAY.month, MONDAY.day, 8, tzinfo=ZoneInfo("Asia/Shanghai"))
        + timedelta(days=1)
    ).run()
    tab.text_input(key=f"{key}_note").set_value("电话值守").run()
    tab.button(key="rota_save_one").click().run()
    assert not tab.exception
    assert stored(floor, "agent") == ("work", "电话值守", "edited", 1, ["晚班*"])
    end = floor.one("select lead_until from public.rota_entries where member_id = %s", agent.member_id)
    assert (end.astimezone(ZoneInfo("Asia/Shanghai")).hour, end.date()) == (8, MONDAY + timedelta(days=1))


def test_the_grid_wants_what_was_changed_in_it_and_no_more() -> None:
    daily = (1, 2, 3, 4, 5, 6, 7)
    shift = rota.Shift(1, "早班", "早班", "Asia/Shanghai", daily, 480, 990, 0)
    person = rota.Person(5, "客服A", "K1", "agent", (), "active")
    work = rota.Cell("work", (rota.Duty(1, "早班"),))
    found = rota.Rota(MONDAY, 3, (person,), (shift,), {(5, MONDAY): work}, {(5, MONDAY): 2})
    before = grid.texts(found, "zh-CN")
    after = before.replace("", None)
    assert grid.wanted_of(found, before, after) == {}
    after.at[0, (MONDAY + timedelta(1)).isoformat()] = "请假"
    after.at[0, MONDAY.isoformat()] = None
    wanted = grid.wanted_of(found, before, after)
    assert {place: cell.kind for place, cell in wanted.items()} == {
        (5, MONDAY): "open",
        (5, MONDAY + timedelta(1)): "leave",
    }


def test_who_is_on_duty_now_is_said_above(app_as: AppAs, floor: ShopFloor) -> None:
    agent = floor.person("agent")
    with psycopg.connect(floor.stack.db_url) as owner:
        owner.execute(
            """with d as (insert into public.rota_days (member_id, day, kind, source, updated_at)
                   select %s, private.now()::date, 'work', 'edited', now() returning *)
               insert into public.rota_entries (member_id, day, shift_name, starts_at, ends_at, is_lead)
               select member_id, day, '早班', private.now() - interval '1 hour',
                   private.now() + interval '3 hours', true
               from d""",
            (agent.member_id,),
        )
    words = shown(opened(app_as, floor, "operations"))
    assert zh("rota.lead_now") in words
    assert zh("rota.mark.lead") in words
