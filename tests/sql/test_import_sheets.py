"""Files of cases, figures, ratings, chats and leads, from their bytes to the rows of the database."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from backend.errors import AppError
from backend.imports.reasons import reason
from backend.imports.records import FileRefused
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

pytestmark = pytest.mark.usefixtures("conn")


@pytest.fixture
def conn(sql_url: str) -> Iterator[Connection]:
    """A database of the test's own with one shop and its orders NO00001 to NO00003."""
    with undone(sql_url) as connection:
        add_shop(connection)
        bring(connection, [record(number) for number in (1, 2, 3)])
        yield connection


def table(*lines: str, encoding: str = "gb18030") -> bytes:
    return "\n".join(lines).encode(encoding)


def bring_in(
    conn: Connection,
    kind: str,
    content: bytes,
    *,
    by: Rpc | None = None,
    name: str = "表.csv",
    **options: Any,
) -> Any:
    """The report of one file."""
    call = by or Rpc(conn)
    return import_file(
        Importer(call=call, service=Rpc(conn), keyring=KEYRING),
        content,
        name=name,
        kind=kind,
        shop=shop_of(conn),
        **options,
    )


def counts(report: dict[str, Any]) -> tuple[int, int, int, int]:
    return report["accepted"], report["updated"], report["unchanged"], len(report["rejected"])


def rows(conn: Connection, query: str) -> list[Any]:
    return conn.execute(query).fetchall()  # type: ignore[arg-type]


CASES = "退款编号,订单编号,退款类型,退款状态,退款金额,退款原因,退款申请时间,超时时间,退货物流单号"


def test_cases_of_the_platform_become_tickets_and_follow_it(conn: Connection) -> None:
    """The countdown is kept, a later file moves the case on, and what had ended before is left alone."""
    first = table(
        CASES,
        "R1,NO00001,退货退款,等待卖家处理,42.00,不喜欢 13900001111,2026-11-09 09:00:00,2099-11-11 09:00:00,",
        "R2,NO00002,仅退款,退款成功,42.00,拍错,2026-11-09 09:00:00,,",
        "R3,NO99999,仅退款,等待卖家处理,42.00,拍错,2026-11-09 09:00:00,,",
        "R4,NO00003,神秘类型,等待卖家处理,42.00,拍错,2026-11-09 09:00:00,,",
        "R5,NO00003,仅退款,等待卖家处理,1.2E+3,拍错,2026-11-09 09:00:00,,",
    )
    report = bring_in(conn, "aftersales", first)
    assert counts(report) == (1, 0, 1, 3)
    assert [entry["row"] for entry in report["rejected"]] == [5, 6, 4]
    assert "NO99999" in report["rejected"][2]["reason"]
    [ticket] = rows(
        conn,
        "select t.type, t.state, t.source, t.platform_ref, t.claimed_amount, t.summary, o.order_no,"
        " t.platform_due_at at time zone 'Asia/Shanghai', r.state"
        " from public.tickets t join public.orders o on o.id = t.order_id join public.ticket_returns r on r.ticket_id = t.id",
    )
    assert ticket[:4] == ("return", "classified", "import", "R1")
    assert ticket[5] == "不喜欢 139****1111"
    assert ticket[6:] == ("NO00001", ticket[7], "applied")
    assert str(ticket[7]) == "2099-11-11 09:00:00"

    assert counts(bring_in(conn, "aftersales", first)) == (0, 0, 2, 3)
    later = table(
        CASES,
        "R1,NO00001,退货退款,待商家收货,42.00,不喜欢,2026-11-09 09:00:00,2099-11-13 09:00:00,SF123456",
    )
    assert counts(bring_in(conn, "aftersales", later)) == (0, 1, 0, 0)
    assert rows(conn, "select state, tracking_no from public.ticket_returns") == [("goods_sent", "SF123456")]


def test_a_case_that_ends_on_the_platform_needs_no_work_unless_somebody_has_it(conn: Connection) -> None:
    open_case = "{},NO0000{},仅退款,等待卖家处理,42.00,拍错,2026-11-09 09:00:00,,"
    bring_in(conn, "aftersales", table(CASES, open_case.format("R1", 1), open_case.format("R2", 2)))
    member = add_member(conn, "agent", shop_of(conn).id)
    conn.execute(
        "update public.tickets set owner_id = (select id from public.members where user_id = %s), state = 'in_progress'"
        " where platform_ref = 'R2'",
        (member,),
    )
    closed = "{},NO0000{},仅退款,退款关闭,42.00,拍错,2026-11-09 09:00:00,,"
    report = bring_in(conn, "aftersales", table(CASES, closed.format("R1", 1), closed.format("R2", 2)))
    assert counts(report) == (0, 2, 0, 0)
    assert rows(
        conn, "select platform_ref, state, close_reason, platform_status from public.tickets order by 1"
    ) == [
        ("R1", "cancelled", "platform_closed", "退款关闭"),
        ("R2", "in_progress", None, "退款关闭"),
    ]


def test_performance_of_two_tools_without_sums(conn: Connection) -> None:
    """The day is that of the column, else of the file's name, else yesterday, and a note says which."""
    old = table(
        "客服昵称,聊天人数(原咨询人数),接待人数,买家消息数,客服消息数,未回复人数,首次响应(秒),平均响应(秒)",
        "客服A,20,18,100,150,1,12.5,00:00:21",
        "汇总值,20,18,100,150,1,12.5,21",
    )
    report = bring_in(conn, "performance", old, name="客服绩效_20261108.csv")
    assert counts(report) == (1, 0, 0, 0)
    assert "2026-11-08" in "".join(report["notes"])
    new = table(
        "旺旺昵称,咨询人数,接待人数,未回复人数,有效接待人数,平均响应时长（秒),首次响应时长（秒),慢响应人数,答问比,旺旺分组",
        "客服A,21,19,0,18,20,11,2,150%,售前",
        "平均值,21,19,0,18,20,11,2,150%,",
        encoding="utf-8-sig",
    )
    assert counts(bring_in(conn, "performance", new, name="客服绩效_20261108.csv")) == (0, 1, 0, 0)
    yesterday = bring_in(conn, "performance", new, name="绩效.csv")
    assert counts(yesterday) == (1, 0, 0, 0)
    assert "昨天" in "".join(yesterday["notes"])
    assert rows(
        conn,
        "select asked, received, effective, first_seconds, reply_seconds from public.agent_days where day = '2026-11-08'",
    ) == [(21, 19, 18, 11, 20)]
    expected = "select (private.now() at time zone 'Asia/Shanghai')::date - 1"
    assert rows(conn, "select max(day) from public.agent_days") == rows(conn, expected)
    hours = table(
        "日期,客服昵称,接待人数,未回复人数,登录时长",
        "2026-11-07,客服A,9,0,8.5小时",
        "2026-11-07,客服C,9,0,1899-12-30 08:30:00",  # as a cell of a workbook says 8:30
        "2026-11-07,客服B,9,0,25:30:00",
        "合计（,,18,0,34",
        "平均值,,9,0,17",
    )
    report = bring_in(conn, "performance", hours)
    assert (report["rows"], counts(report)) == (3, (2, 0, 0, 1)), "sums are known by the first column too"
    assert "24 小时" in report["rejected"][0]["reason"]
    assert rows(conn, "select online_minutes from public.agent_days where day = '2026-11-07'") == [(510,)] * 2


def test_chats_count_once_and_keep_no_words(conn: Connection) -> None:
    head = "消息ID,会话ID,客服,买家,咨询类型,发送方,发送时间,内容"
    lines = [
        "1,S1,客服A,buyer1,售前,买家,2026-11-08 23:59:50,我的电话13900001111",
        "2,S1,客服A,buyer1,售前,自动回复,2026-11-08 23:59:51,您好",
        "3,S1,客服A,buyer1,售前,客服,2026-11-09 00:00:10,在的",
        "4,S1,客服A,buyer1,售前,外星人,2026-11-09 00:00:11,?",
    ]
    report = bring_in(conn, "chats", table(head, *lines))
    assert counts(report) == (3, 0, 0, 1)
    assert counts(bring_in(conn, "chats", table(head, *lines))) == (0, 0, 3, 1)
    sessions = table(
        "会话ID,客服,买家,咨询类型,评价,是否付款,付款金额",
        "S1,客服A,buyer1,售前,非常满意,是,¥1,042.00".replace("1,042", "1042"),
    )
    assert counts(bring_in(conn, "chats", sessions)) == (1, 0, 0, 0)
    assert rows(conn, "select sender, sent_at from public.chat_messages order by message_id")[1][0] == "auto"
    assert rows(conn, "select rating, is_paid, paid_amount from public.chat_sessions") == [(5, True, 1042)]
    dump = str(rows(conn, "select to_jsonb(m) from public.chat_messages m"))
    assert "您好" not in dump
    assert "1390000" not in dump


def test_visitors_and_ratings(conn: Connection) -> None:
    assert counts(bring_in(conn, "traffic", table("日期,访客数,浏览量", "2026-11-08,100,300"))) == (
        1,
        0,
        0,
        0,
    )
    assert counts(bring_in(conn, "traffic", table("日期,访客数", "2026-11-08,120"))) == (0, 1, 0, 0)
    assert rows(conn, "select visitors, views from public.visitor_days") == [(120, 300)]
    ratings = table(
        "订单编号,评分,满意度,评价内容,评价时间",
        "NO00001,5星,,很好,2026-11-08 10:00:00",
        "NO00002,,不满意,打13900001111没人接,2026-11-08 10:00:00",
        "NO00003,,,空,2026-11-08 10:00:00",
    )
    assert counts(bring_in(conn, "reviews", ratings)) == (2, 0, 0, 1)
    assert counts(bring_in(conn, "reviews", ratings)) == (0, 0, 2, 1)
    assert rows(conn, "select rating, level, text from public.ratings order by order_no") == [
        (5, None, "很好"),
        (None, "dissatisfied", "打139****1111没人接"),
    ]


def test_leads_come_sealed_and_once(conn: Connection) -> None:
    leads = table(
        "客户姓名,手机号,微信号,需求标签,线索来源,意向,咨询时间,备注",
        "周强军,13900001111,zhou_88,保温杯、礼盒,直播,高,2026-11-08 10:00:00,急",
        "李四,,,礼盒,直播,高,2026-11-08 10:00:00,",
        "王五,13900002222,,礼盒 13900002222,直播,高,2026-11-08 10:00:00,",
    )
    report = bring_in(conn, "leads", leads)
    assert counts(report) == (1, 0, 0, 2)
    assert counts(bring_in(conn, "leads", leads)) == (0, 0, 1, 2)
    [lead] = rows(
        conn,
        "select source, needs, intent, name_masked, phone_masked, wechat_masked, contact_id from public.leads",
    )
    assert lead[:6] == ("live", ["保温杯", "礼盒"], "high", "周**", "139****1111", "z***8")
    [sealed] = rows(
        conn, "select phone_cipher, note_cipher, phone_hash from private.contacts where kind = 'lead'"
    )
    assert KEYRING.decrypt("contacts", "phone", lead[6], sealed[0]) == "13900001111"
    assert KEYRING.decrypt("contacts", "note", lead[6], sealed[1]) == "急"
    assert sealed[2] == KEYRING.blind("phone", "139 0000 1111")


def test_what_reaches_nobody_is_no_lead_and_a_wish_refuses_none(conn: Connection) -> None:
    """Every fault of a row is named with its column; beside another contact, or among wishes, it is told."""
    leads = table(
        "昵称,手机号,微信号,需求标签,线索来源,预算,备注,联系电话",
        "甲,1.38E+10,微 信!!,杯,直播,高,,",
        "乙,=1+1,,杯<b>,直播,高,,",
        ",12345,,,直播,高,,",
        "丁,138****1111,ding_88,杯,抖音直播,3000,急,",
        "戊,13900001112,,杯,淘宝,高,,139 0000 1112",
        "己,010-62345678,,杯,朋友介绍,,,",
        "庚,138****1113,,杯,直播,,,0571-88886666",
        "辛,13900001114,,杯,直播,,,13900001115",
    )
    report = bring_in(conn, "leads", leads)
    assert counts(report)[0] == 5
    assert [(one["row"], one["column"], one["reason"]) for one in report["rejected"]] == [
        (2, "手机号", reason("phone_scientific", {})),
        (2, "微信号", reason("wechat_form", {})),
        (3, "手机号", reason("phone_formula", {})),
        (3, "需求标签", reason("tags", {})),
        (4, "手机号", reason("phone_digits", {"count": 5})),
        (4, "需求标签", reason("required", {})),
        (4, "昵称", reason("required", {})),
    ]
    assert report["notes"] == [
        reason("contacts_left", {"column": "手机号", "count": 2, "lines": "5、8"}),
        reason("contacts_more", {"column": "联系电话", "count": 1, "lines": "9"}),
        reason("cells_kept", {"column": "预算", "count": 1, "lines": "5"}),
        reason("cells_kept", {"column": "线索来源", "count": 1, "lines": "7"}),
    ]
    found = rows(conn, "select source, budget, phone_masked, contact_id from public.leads order by id")
    assert [row[:3] for row in found] == [
        ("live", "unknown", None),
        ("chat", "high", "139****1112"),
        ("other", "unknown", "010****78"),
        ("live", "unknown", "057****66"),
        ("live", "unknown", "139****1114"),
    ]
    notes = {
        number: KEYRING.decrypt("contacts", "note", number, note)
        for number, note in rows(conn, "select id, note_cipher from private.contacts where kind = 'lead'")
        if note
    }
    assert notes == {
        found[0][3]: "急；预算：3000",
        found[2][3]: "线索来源：朋友介绍",
        found[4][3]: "联系电话：13900001115",
    }
    with pytest.raises(FileRefused, match="file_no_rows"):
        bring_in(conn, "leads", table("称谓,号码,想要"))


def test_who_may_import_what(conn: Connection) -> None:
    """Figures are the analyst's too, cases and leads are not; a refusal leaves no row."""
    shop = shop_of(conn).id
    visitors = table("日期,访客数", "2026-11-08,100")
    leads = table("客户姓名,手机号,需求标签,线索来源", "周强军,13900001111,杯,直播")
    cases = table(CASES, "R1,NO00001,仅退款,等待卖家处理,42.00,拍错,2026-11-09 09:00:00,,")
    files = {"traffic": visitors, "leads": leads, "aftersales": cases}
    allowed = {
        ("operations", "traffic"), ("operations", "leads"), ("operations", "aftersales"), ("analyst", "traffic"),
        ("manager", "traffic"), ("manager", "leads"), ("manager", "aftersales"),
    }  # fmt: skip
    wrong = []
    for role in ("agent", "warehouse", "operations", "analyst", "manager"):
        person = Rpc(conn, add_member(conn, role, shop))
        for kind, content in files.items():
            before = rows(conn, "select count(*) from public.imports")
            try:
                bring_in(conn, kind, content, by=person)
                done = True
            except AppError:
                done = False
                assert rows(conn, "select count(*) from public.imports") == before
            if done != ((role, kind) in allowed):
                wrong.append((role, kind, done))
    assert wrong == []


def test_an_import_of_figures_stops_no_release(conn: Connection) -> None:
    service = Rpc(conn)
    shop = shop_of(conn).id
    service("import_begin", p_kind="chats", p_shop_id=shop, p_platform="chat_messages", p_file_name="c.csv", p_file_hash="c",
            p_is_strict=False, p_rows_total=1, p_request_id="6f1d1b1e-0000-4000-8000-000000000001")  # fmt: skip
    refusals = rows(conn, "select distinct private.release_refusal(o) from public.orders o")
    assert ("order.importing",) not in refusals


@pytest.mark.parametrize("encoding", ["gb18030", "utf-8-sig", "utf-16"])
def test_ugly_files(conn: Connection, encoding: str) -> None:
    """A formula, a lost order number, a doubled column, nothing at all: named, and nothing half-written."""
    ugly = table(CASES, "=1+1,NO00001,仅退款,等待卖家处理,1,a,2026-11-09 09:00:00,,", "R9,1.23E+18,仅退款,等待卖家处理,1,a,,,",
                 encoding=encoding)  # fmt: skip
    report = bring_in(conn, "aftersales", ugly)
    assert counts(report) == (0, 0, 0, 2)
    assert [entry["column"] for entry in report["rejected"]] == ["退款编号", "订单编号"]
    for content in (
        table(CASES, encoding=encoding),
        table("日期,日期,访客数,访客数", "1,2,3,4", encoding=encoding),
    ):
        with pytest.raises(FileRefused):
            bring_in(conn, "aftersales" if CASES[:4] in content.decode(encoding) else "traffic", content)
    assert rows(conn, "select count(*) from public.tickets") == [(0,)]


def test_what_is_repeated_impossible_or_still_to_come_is_told(conn: Connection) -> None:
    """The later of two rows holds and the earlier is named; all faults of a row are; the future is refused; a review needs
    no order."""
    head = "消息ID,会话ID,买家,发送方,发送时间"
    lines = table(
        head,
        "M1,S1,甲,买家,2026-11-09 09:00:00",
        "M2,S1,甲,客服,2026-11-09 09:00:20",
        "M2,S1,甲,机器人,2026-11-09 09:00:30",
        "M3,S1,甲,买家,2099-11-09 09:00:00",
        "M4,,甲,不明,某一天",
    )
    preview = bring_in(conn, "chats", lines, dry_run=True)
    report = bring_in(conn, "chats", lines)
    assert sorted(map(repr, preview["rejected"])) == sorted(map(repr, report["rejected"]))
    assert (report["accepted"], report["duplicate_rows"]) == (2, 1)
    assert "没有采用第 3 行" in "".join(report["notes"])
    assert sorted((one["row"], one["column"]) for one in report["rejected"] if one["row"] == 6) == [
        (6, "会话ID"),
        (6, "发送方"),
        (6, "发送时间"),
    ]
    assert [one["row"] for one in report["rejected"] if "还没有到" in one["reason"]] == [5]
    assert rows(conn, "select message_id, sender from public.chat_messages order by 1") == [
        ("M1", "buyer"),
        ("M2", "robot"),
    ]
    assert rows(conn, "select rejected from public.imports where kind = 'chats'") == [(2,)]

    days = table(
        "客服昵称,日期,咨询人数,接待人数,未回复人数", "客服A,2026-11-08,5,9,0", "客服A,2099-11-08,5,4,0"
    )
    report = bring_in(conn, "performance", days)
    assert counts(report) == (1, 0, 0, 1)
    assert "核对第 2 行" in "".join(report["notes"])
    visits = table("日期,访客数", "2026-11-08,100", "2026-11-08,120")
    report = bring_in(conn, "traffic", visits)
    assert (report["accepted"], report["duplicate_rows"]) == (1, 1)
    assert rows(conn, "select visitors from public.visitor_days") == [(120,)]

    said = table(
        "评分,评价内容,评价时间", "5,很好,2026-11-09", "5,包装好,2026-11-09", "1,太慢,2026-11-09 10:00"
    )
    assert counts(bring_in(conn, "reviews", said)) == (3, 0, 0, 0)
    assert counts(bring_in(conn, "reviews", said)) == (0, 0, 3, 0), "the same again is no other"
    [(keys,)] = rows(conn, "select string_agg(key, ' ') from public.ratings")
    assert "很好" not in keys
