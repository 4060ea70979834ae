"""时效总览: who sees what, filters in the address, the list, the three lines, midnight, and the files."""

from __future__ import annotations

import csv
import io
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import openpyxl
import pytest
from streamlit.testing.v1 import AppTest

from backend import db, deadlines
from backend.config import Settings
from backend.errors import AppError
from backend.local.stack import Stack
from tests.pages.conftest import AppAs
from tests.pages.reading import en, shown, zh
from tests.pages.shop_floor import ROLES, ShopFloor
from tests.people import Account, settings_of

SHANGHAI = ZoneInfo("Asia/Shanghai")


@pytest.fixture(scope="module")
def floor(stack: Stack) -> ShopFloor:
    """Two shops with the orders of a sample; the agent has claimed one of them."""
    made = ShopFloor(stack, "dea1", more_shops=["dea2"])
    made.load("taobao_ExportOrderList.csv")
    made.one(
        "update public.order_reviews set owner_id = %s, claim_until = private.now() + interval '1 hour'"
        " where order_id = (select min(order_id) from public.order_reviews where shop_id = %s)"
        " returning order_id",
        made.person("agent").member_id,
        made.shop_id,
    )
    return made


def open_page(app_as: AppAs, floor: ShopFloor, role: str = "manager", **query: str) -> AppTest:
    tab = app_as(floor.person(role), "deadlines", query=query)
    assert not tab.exception
    return tab


def start(floor: ShopFloor, minutes: float, *, entity: str = "test") -> int:
    """A clock of this shop that is due so many minutes from now."""
    return int(
        floor.one(
            "select id from private.start_clock(%s, nextval('private.contact_ids'), %s, 'review', 'lead_a',"
            " private.now() + make_interval(mins => -1440, secs => %s))",
            entity,
            floor.shop_id,
            60 * minutes,
        )
    )


def client(settings: Settings, account: Account) -> db.Client:
    return db.user_client(settings, account.session.access_token)


def tabs(tab: AppTest) -> list[str]:
    return list(tab.segmented_control(key="deadlines_bucket").options)


def listed(tab: AppTest) -> list[str]:
    """The records in the table of the list."""
    frames = [one.value for one in tab.dataframe if "item" in one.value.columns]
    return list(frames[0]["item"]) if frames else []


@pytest.mark.parametrize("role", ROLES)
def test_every_role_has_the_page(app_as: AppAs, floor: ShopFloor, role: str) -> None:
    tab = open_page(app_as, floor, role)
    assert [one.value for one in tab.header] == [zh("deadlines.title")]
    assert not tab.error
    assert (zh("deadlines.own_and_pool") in shown(tab)) is (role in ("agent", "warehouse"))
    files = len(tab.get("download_button"))
    assert files == (0 if role in ("agent", "warehouse") else 4)


def test_figures_lead_to_the_rows(app_as: AppAs, floor: ShopFloor) -> None:
    overdue = start(floor, -30)
    tab = open_page(app_as, floor, bucket="overdue", area="test.review")
    assert any("超时 1" in one for one in tabs(tab))
    assert len(listed(tab)) == 1
    floor.one("select id from private.stop_clock(%s, private.now())", overdue)
    tab = open_page(app_as, floor, bucket="overdue", area="test.review")
    assert zh("deadlines.none_match") in shown(tab)
    tab = open_page(app_as, floor, bucket="late", area="test.review")
    assert len(listed(tab)) == 1


def test_an_agent_sees_his_own_and_the_pool(app_as: AppAs, floor: ShopFloor) -> None:
    mine = open_page(app_as, floor, "agent", person="me", area="order_review.review")
    assert len(listed(mine)) == 1
    held = floor.person("agent").member_id
    assert len(listed(open_page(app_as, floor, "analyst", person=str(held), area="order_review.review"))) == 1
    assert listed(open_page(app_as, floor, "warehouse", person=str(held), area="order_review.review")) == []
    all_of_it = floor.one(
        "select count(*)::int from public.sla_clocks"
        " where shop_id = %s and entity = 'order_review' and stopped_at is null",
        floor.shop_id,
    )
    assert len(listed(open_page(app_as, floor, "warehouse", area="order_review.review"))) == all_of_it - 1


def test_nonsense_in_the_address_is_left_out(app_as: AppAs, floor: ShopFloor) -> None:
    tab = open_page(app_as, floor, bucket="x", shop="999999", person="drop table", area="<b>")
    assert tab.segmented_control(key="deadlines_bucket").value == "open"
    assert tab.selectbox(key="deadlines_person").value is None
    assert not tab.error


def test_choosing_a_filter_writes_the_address(app_as: AppAs, floor: ShopFloor) -> None:
    tab = open_page(app_as, floor)
    tab.selectbox(key="deadlines_person").set_value("pool").run()
    tab.segmented_control(key="deadlines_bucket").set_value("on_time").run()
    assert (tab.query_params["person"], tab.query_params["bucket"]) == ("pool", "on_time")
    tab.button(key="deadlines_clear").click().run()
    assert "person" not in tab.query_params
    assert tab.query_params["bucket"] == "on_time"


def test_the_longest_overdue_stand_above_with_a_way_to_the_order(app_as: AppAs, floor: ShopFloor) -> None:
    order_id, clock_id = floor.one(
        "select array[order_id, clock_id] from public.order_reviews"
        " where shop_id = %s and owner_id is null limit 1",
        floor.shop_id,
    )
    begun = floor.one("select started_at from public.sla_clocks where id = %s", clock_id)
    try:
        floor.one(
            "update public.sla_clocks"
            " set state = 'breached', due_at = private.now() - interval '9 days', next_step_at = null,"
            " breached_at = private.now() - interval '9 days' where id = %s returning id",
            clock_id,
        )
        tab = open_page(app_as, floor)
        assert zh("deadlines.worst") in shown(tab)
        assert any(one.key == f"deadlines_worst_why_{clock_id}" for one in tab.button)
        here = client(settings_of(floor.stack), floor.person("manager"))
        (worst,) = [line for line in deadlines.worst(here, deadlines.Wanted()) if line.id == clock_id]
        assert worst.path == f"/orders?id={order_id}"
    finally:
        floor.one(
            "update public.sla_clocks set state = 'running', due_at = %s, breached_at = null"
            " where id = %s returning id",
            begun + timedelta(days=30),
            clock_id,
        )


def test_why_is_it_due_then(app_as: AppAs, floor: ShopFloor) -> None:
    clock_id = start(floor, 100)
    words = shown(open_page(app_as, floor, clock=str(clock_id)))
    assert "「A 级线索跟进」给 1440 分钟" in words
    assert zh("deadlines.title") in words
    order_clock = floor.one(
        "select max(clock_id) from public.order_reviews where shop_id = %s and owner_id is null",
        floor.shop_id,
    )
    tab = open_page(app_as, floor, clock=str(order_clock))
    assert f"deadlines_open_{order_clock}" in [one.key for one in tab.button]
    foreign = floor.one("select coalesce(max(id), 0) + 1000 from public.sla_clocks")
    tab = app_as(floor.person("agent"), "deadlines", query={"clock": str(foreign)})
    assert AppError("clock.none").message() in [one.value for one in tab.error]


def test_why_was_i_not_told(app_as: AppAs, floor: ShopFloor) -> None:
    clock_id = start(floor, 100)
    floor.one(
        """insert into public.reminders (clock_id, shop_id, entity, entity_id, step, due_version, who, action,
               is_escalation, is_public, step_at, due_at, ready_at, state, reason, created_at)
           select id, shop_id, entity, entity_id, n, due_version, '{owner}', 'notify', false, false,
               started_at, due_at, started_at, case n when 1 then 'sent' else 'suppressed' end,
               case n when 2 then 'nobody' end, started_at
           from public.sla_clocks, generate_series(1, 2) n where id = %s returning id""",
        clock_id,
    )
    floor.one(
        "update public.reminders set audience_id = nextval('private.reminder_audiences'), is_told = true"
        " where clock_id = %s and step = 1 returning audience_id",
        clock_id,
    )
    for role, reason in (("manager", None), ("operations", "preset")):
        floor.one(
            "insert into private.reminder_people (audience_id, member_id, role, reason, created_at)"
            " select audience_id, %s, 'owner', %s, now() from public.reminders"
            " where clock_id = %s and step = 1 returning member_id",
            floor.person(role).member_id,
            reason,
            clock_id,
        )
    said = {}
    for role in ("manager", "operations", "analyst"):
        tab = open_page(app_as, floor, role, clock=str(clock_id))
        assert zh("told.me") not in shown(tab)
        said[role] = shown(tab.toggle(key=f"deadlines_told_{clock_id}").set_value(True).run())
        assert not tab.exception
    assert zh("told.me") in said["manager"]
    assert zh("told.reason.preset") in said["operations"]
    assert zh("told.not_mine", who=zh("policies.who.owner")) in said["analyst"]
    assert all(zh("told.reason.nobody") in words for words in said.values())
    assert zh("told.others", people="")[:4] in said["analyst"]


def test_midnight_is_the_end_of_its_day_in_the_list_and_in_the_files(
    app_as: AppAs, floor: ShopFloor, stack: Stack
) -> None:
    midnight = datetime.now(SHANGHAI).replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=3)
    day = (midnight - timedelta(days=1)).strftime("%Y-%m-%d")
    clock_id = floor.one(
        "select id from private.start_clock('night', nextval('private.contact_ids'), %s, 'review', 'lead_a',"
        " %s)",
        floor.shop_id,
        midnight - timedelta(days=1),
    )
    tab = open_page(app_as, floor, area="night.review")
    frames = [one.value for one in tab.dataframe if "at" in one.value.columns]
    assert list(frames[0]["at"]) == [f"{day} 24:00"]
    here = client(settings_of(stack), floor.person("manager"))
    for what in ("clocks", "events"):
        made = deadlines.file(here, what, start=None, end=None, shop_id=floor.shop_id, fmt="csv")
        rows = list(csv.DictReader(io.StringIO(made.content.decode("utf-8-sig"))))
        due = [row["到期"] for row in rows if row.get("时效编号", row["编号"]) == str(clock_id)]
        assert due == [f"{day} 24:00"]


def test_files_are_safe_masked_and_whole(floor: ShopFloor, stack: Stack) -> None:
    here = client(settings_of(stack), floor.person("analyst"))
    clock_id = start(floor, 100)
    floor.one("select id from private.pause_clock(%s, '=HYPERLINK(\"x\")', private.now())", clock_id)
    made = deadlines.file(here, "clocks", start=None, end=None, shop_id=floor.shop_id, fmt="xlsx", lang="en")
    sheet = openpyxl.load_workbook(io.BytesIO(made.content)).active
    assert sheet is not None
    head, *rows = list(sheet.iter_rows(values_only=True))
    found = [dict(zip(head, row, strict=True)) for row in rows]
    assert made.is_all
    count = floor.one("select count(*)::int from public.sla_clocks where shop_id = %s", floor.shop_id)
    assert len(found) == count
    (mine,) = [row for row in found if row["Id"] == clock_id]
    assert (mine["Pause reason"], mine["State"], mine["Allowance (min or days)"]) == (
        '\'=HYPERLINK("x")',
        "paused",
        1440,
    )
    with pytest.raises(AppError, match=r"member\.role"):
        deadlines.file(client(settings_of(stack), floor.person("agent")), "clocks", start=None, end=None)


def test_groups_count_alike_whichever_way_they_are_cut(floor: ShopFloor, stack: Stack) -> None:
    found = deadlines.overview(client(settings_of(stack), floor.person("manager")))
    total = deadlines.counts(found.open)
    for key in ("area", "owner_id", "shop_id"):
        groups = deadlines.grouped(found.open, lambda one, key=key: getattr(one, key))
        assert sum((counts for _, counts in groups), start=type(total)()) == total
    nobody = deadlines.narrowed(found.open, deadlines.Wanted(person="me"), floor.person("manager").member_id)
    assert nobody == []


def test_in_english(app_as: AppAs, floor: ShopFloor) -> None:
    floor.one(
        "update public.members set locale = 'en' where id = %s returning id",
        floor.person("operations").member_id,
    )
    assert [one.value for one in open_page(app_as, floor, "operations").header] == [en("deadlines.title")]
