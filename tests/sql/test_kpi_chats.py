"""KPIs of chats against answers worked out by hand: midnight, automatic replies, off-shift talks, two orders of a buyer."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from backend.errors import AppError
from backend.imports.runner import Importer, import_file
from tests.sql.importing import (
    KEYRING,
    Connection,
    Rpc,
    add_member,
    add_shop,
    bring,
    record,
    shop_of,
    undone,
)

HEAD = "消息ID,会话ID,客服,买家,咨询类型,发送方,发送时间,内容"
# Day one is 2026-11-09, a Monday. Shifts are 8:00–16:30 and 16:00–24:00.
CHATS = """
1,S1,客服A,b1,售前,买家,2026-11-09 10:00:00,在吗
2,S1,客服A,b1,售前,自动回复,2026-11-09 10:00:01,您好
3,S1,客服A,b1,售前,买家,2026-11-09 10:00:05,有货吗
4,S1,客服A,b1,售前,客服,2026-11-09 10:00:20,有
5,S1,客服A,b1,售前,客服,2026-11-09 10:00:25,今天发
6,S1,客服A,b1,售前,买家,2026-11-09 10:01:00,好
7,S1,客服A,b1,售前,客服,2026-11-09 10:01:40,谢谢
8,S2,客服A,b2,售前,买家,2026-11-09 23:59:50,还在吗
9,S2,客服A,b2,售前,客服,2026-11-10 00:00:20,在
10,S3,客服B,b3,售后,买家,2026-11-09 11:00:00,坏了
11,S3,客服B,b3,售后,机器人,2026-11-09 11:00:01,请稍等
12,S3,客服B,b3,售后,系统,2026-11-09 11:00:02,转接
13,S4,客服B,b4,售前,买家,2026-11-09 03:00:00,有人吗
14,S4,客服B,b4,售前,客服,2026-11-09 08:00:00,有
15,S5,客服B,b1,售前,买家,2026-11-09 12:00:00,再买一个
16,S5,客服B,b1,售前,客服,2026-11-09 12:00:10,好
"""
SESSIONS = """会话ID,客服,买家,咨询类型,评价,是否付款,付款金额
S1,客服A,b1,售前,非常满意,是,100
S5,客服B,b1,售前,满意,是,200
S2,客服A,b2,售前,一般,否,
S3,客服B,b3,售后,非常不满意,是,50
"""
DAY = "2026-11-09"
# code -> (numerator, denominator, value), by hand:
# messages of agents 4,5,7,9,14,16 = 6; of buyers 1,3,6,8,10,13,15 = 7.
# turns: S1 10:00:00→20 (20 s, from the last 15), 10:01:00→40 s; S2 30 s over midnight; S4 18,000 s; S5 10 s; S3 none.
BY_HAND = {
    "答问比": (6, 7, 85.7143),
    "平响": (18100, 5, 3620),
    "平响(末条)": (18095, 5, 3619),
    "首响": (20 + 30 + 18000 + 10, 4, 4515),
    "响应超时率": (2, 5, 40),
    "30秒应答率": (2, 2, 100),
    "留言率": (1, 5, 20),
    "回复率": (3, 4, 75),
    "询单人数": (3, None, 3),
    "转化率(客服)": (1, 3, 33.3333),
    "满意度": (5 + 4 + 3 + 1, 4, 3.25),
    "满意比": (2, 4, 50),
    "客单价(客服)": (350, 2, 175),
}


@pytest.fixture
def conn(sql_url: str) -> Iterator[Connection]:
    """A shop of each of two platforms."""
    with undone(sql_url) as connection:
        add_shop(connection)
        add_shop(connection, "jing", "jd")
        yield connection


def bring_in(conn: Connection, kind: str, *lines: str, shop: str = "one", name: str = "chats.csv") -> Any:
    importer = Importer(call=Rpc(conn), service=Rpc(conn), keyring=KEYRING)
    content = "\n".join(lines).encode("utf-8")
    return import_file(importer, content, name=name, kind=kind, shop=shop_of(conn, shop))


def figures(
    conn: Connection, *codes: str, first: str = DAY, last: str = DAY, by: str | None = None
) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = Rpc(conn)(
        "kpi_figures", p_codes=list(codes), p_from=first, p_to=last, p_by=by
    )
    return found


@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Asia/Shanghai"])
def test_the_figures_of_a_day_are_those_worked_out_by_hand(conn: Connection, zone: str) -> None:
    """Whatever zone the server keeps: days are days of the shop."""
    conn.execute(f"set timezone = '{zone}'")
    bring_in(conn, "chats", HEAD, *CHATS.split("\n"))
    bring_in(conn, "chats", *SESSIONS.split("\n"))
    found = {one["code"]: one for one in figures(conn, *BY_HAND)}
    got = {code: (one["numerator"], one["denominator"], one["value"]) for code, one in found.items()}
    assert {
        code: tuple(None if part is None else float(part) for part in parts) for code, parts in got.items()
    } == {
        code: tuple(None if part is None else float(part) for part in parts)
        for code, parts in BY_HAND.items()
    }
    assert all(one["version"] == 1 and one["missing"] == [] for one in found.values())
    assert figures(conn, "平响", first="2026-11-10", last="2026-11-10")[0]["value"] is None


def test_the_same_file_again_changes_no_figure(conn: Connection) -> None:
    bring_in(conn, "chats", HEAD, *CHATS.split("\n"))
    before = figures(conn)
    bring_in(conn, "chats", HEAD, *CHATS.split("\n"))
    assert figures(conn) == before


def test_by_person_and_by_day(conn: Connection) -> None:
    bring_in(conn, "chats", HEAD, *CHATS.split("\n"))
    people = {one["person"]: one["value"] for one in figures(conn, "首响", by="person")}
    assert people == {"客服A": 25, "客服B": 9005}
    assert [(one["day"], one["value"]) for one in figures(conn, "首响", last="2026-11-12", by="day")] == [
        (DAY, 4515)
    ]
    assert [one["shop"] for one in figures(conn, "首响", by="shop")] == ["one"]


def test_jd_counts_no_talks_begun_at_night(conn: Connection) -> None:
    bring_in(conn, "chats", HEAD, *CHATS.split("\n"), shop="jing")
    assert figures(conn, "平响")[0]["numerator"] == 20 + 40 + 10


def test_an_order_paid_after_the_talk_is_a_payment_and_two_are_one_buyer(conn: Connection) -> None:
    """b2 asked at 23:59:50 and paid the next day: too late; b4 paid twice the same day: one buyer."""
    lines = [line for line in CHATS.split("\n") if line]
    bring_in(conn, "chats", HEAD, *lines)
    day = record(1).placed_at
    assert day is not None
    midnight = day.replace(hour=0, minute=0, second=0)
    bring(conn, [
        record(1, buyer_account="b4", placed_at=midnight + timedelta(hours=9), paid_at=midnight + timedelta(hours=9)),
        record(2, buyer_account="b4", placed_at=midnight + timedelta(hours=10), paid_at=midnight + timedelta(hours=10)),
        record(3, buyer_account="b2", placed_at=midnight + timedelta(hours=25), paid_at=midnight + timedelta(hours=25)),
        record(4, buyer_account="b1", placed_at=midnight + timedelta(hours=1), paid_at=midnight + timedelta(hours=1)),
    ])  # fmt: skip
    [rate] = figures(conn, "转化率(客服)")
    assert (rate["numerator"], rate["denominator"]) == (1, 3)
    [ordered] = figures(conn, "订单转化率")
    assert (ordered["numerator"], ordered["denominator"]) == (1, 4)
    manager = Rpc(conn, add_member(conn, "manager", shop_of(conn).id))
    later = {"p_version": 1, "p": {"params": {"pay_days": 1}}, "p_request_id": uuid.uuid4()}
    manager("change_kpi", p_code="订单转化率", **later)
    assert figures(conn, "订单转化率")[0]["numerator"] == 2
    assert figures(conn, "转化率(客服)")[0]["numerator"] == 1, "each KPI has its own days"


def test_what_is_missing_is_named_and_never_zero(conn: Connection) -> None:
    found = {one["code"]: one for one in figures(conn)}
    assert found["平响"]["value"] is None
    assert found["平响"]["missing"] == ["chats", "performance"]
    assert found["流量转化率"]["missing"] == ["traffic"]
    assert found["解决率"]["missing"] == []
    bring_in(conn, "traffic", "日期,访客数", f"{DAY},1000", "2026-11-08,500")
    assert figures(conn, "流量转化率")[0]["missing"] == ["chats", "performance"], "nobody knows who asked"
    bring_in(conn, "chats", HEAD, *CHATS.split("\n"))
    [visitors] = figures(conn, "流量转化率", first="2026-11-08")  # of which nobody knows who asked
    assert (visitors["numerator"], visitors["denominator"], visitors["value"]) == (4, 1000, 0.4)


def test_sheets_stand_in_where_there_are_no_chats(conn: Connection) -> None:
    head = "日期,客服昵称,接待人数,未回复人数,买家消息数,客服消息数,平均响应(秒),询单人数,付款人数,登录时长"
    sheet = [
        head,
        f"{DAY},客服A,10,0,100,140,20,8,6,8:30:00",
        f"{DAY},客服B,30,2,100,130,40,12,6,7.5",
        "合计,汇总,1,1,1,1,1,1,1,1",
    ]
    bring_in(conn, "performance", *sheet)
    found = {
        one["code"]: float(one["value"])
        for one in figures(conn, "答问比", "平响", "转化率(客服)", "回复率", "在线时长")
    }
    assert found == {"答问比": 135, "平响": 35, "转化率(客服)": 60, "回复率": 95, "在线时长": 8}
    bring_in(conn, "chats", HEAD, *CHATS.split("\n"))
    assert figures(conn, "答问比")[0]["value"] == pytest.approx(85.7143)
    assert figures(conn, "在线时长")[0]["value"] == 8


def test_what_is_kept_equals_what_is_counted_however_often(conn: Connection) -> None:
    bring_in(conn, "chats", HEAD, *CHATS.split("\n"))
    query = "select code, day, agent, shift, numerator, denominator, sample from private.kpi_snapshots order by 1, 2, 3, 4"
    for _ in range(2):
        conn.execute("select private.snapshot_day(id, '2026-11-09', private.now()) from public.shops")
        first = conn.execute(query).fetchall()
        conn.execute("select private.snapshot_day(id, '2026-11-09', private.now()) from public.shops")
        assert conn.execute(query).fetchall() == first
    manager = Rpc(conn, add_member(conn, "manager", shop_of(conn).id))
    screen = manager("kpi_screen", p={"from": DAY, "to": DAY})
    tiles = {one["code"]: one for one in screen["tiles"]}
    assert tiles["首响"]["value"] == 4515
    assert tiles["首响"]["is_met"] is False
    assert tiles["平响"]["target"] == 30
    rows = manager("kpi_rows", p_code="首响", p_from=DAY, p_to=DAY, p_by="person")
    assert [row["scope"] for row in rows] == ["客服A", "客服B"]
    shifts = manager("kpi_rows", p_code="首响", p_from=DAY, p_to=DAY, p_by="shift")
    assert {row["scope"]: row["value"] for row in shifts} == {"(off)": 18000, "早班": 15, "晚班": 30}
    late = manager("kpi_screen", p={"from": DAY, "to": DAY, "shift": "晚班"})
    assert late["shifts"] == ["早班", "晚班"]
    tiles = {one["code"]: one for one in late["tiles"]}
    assert (tiles["首响"]["value"], tiles["答问比"]["value"], tiles["询单人数"]["value"]) == (30, 100, 1)
    assert (tiles["留言率"]["value"], tiles["留言率"]["no_shift"]) == (None, "off_shift")
    account = add_member(conn, "agent", shop_of(conn).id)
    conn.execute("update public.members set display_name = '客服A' where user_id = %s", (account,))
    agent = Rpc(conn, account)
    mine = {one["code"]: one["value"] for one in agent("kpi_screen", p={"from": DAY, "to": DAY})["tiles"]}
    assert mine["首响"] == 25
    assert "客诉率" not in mine
    for by in ("day", "shift", "person"):
        rows = agent("kpi_rows", p_code="首响", p_from=DAY, p_to=DAY, p_by=by, p_agent="客服B")
        assert sum(row["numerator"] for row in rows) == 50, "an agent gets his own, whomever he asks for"


def test_a_late_file_has_its_days_counted_again(conn: Connection) -> None:
    conn.execute("select private.snapshot_day(id, '2026-11-09', private.now()) from public.shops")
    bring_in(conn, "chats", HEAD, *CHATS.split("\n"))
    assert conn.execute(
        "select day from private.kpi_runs where made_at is null and day = '2026-11-09'"
    ).fetchall()
    while Rpc(conn)("service_keep_kpis", p_limit=100):
        pass
    kept = conn.execute(
        "select numerator from private.kpi_snapshots where code = '答问比' and day = '2026-11-09'"
    )
    assert sum(row[0] for row in kept.fetchall()) == 6
    bring_in(conn, "chats", HEAD, "17,S2,客服A,b2,售前,客服,2026-11-10 00:01:00,发了")
    due = conn.execute("select day::text from private.kpi_runs where made_at is null and day > '2026-11-08'")
    assert {DAY, "2026-11-10"} <= {day for (day,) in due.fetchall()}, "the talk began on the day before"


def test_bad_questions_are_refused(conn: Connection) -> None:
    for params in (
        ("无此指标", DAY, DAY, None),
        ("平响", DAY, "2026-11-01", None),
        ("平响", DAY, DAY, "week"),
    ):
        with pytest.raises(AppError) as refused:
            figures(conn, params[0], first=params[1], last=params[2], by=params[3])
        assert refused.value.key in ("kpi.unknown", "kpi.period", "kpi.by")
