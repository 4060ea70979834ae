"""话术库: who may write, approve and use what; what stops a text; what its use led to."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from backend import jobs, words
from backend.job import Worker
from backend.library.models import AREAS, STAGES, stages
from backend.library.variables import VARIABLES, names_in
from backend.pii import Keyring, generate_key
from tests.sql.desk import NOON, Connection, add_order, as_member, ask, at, call, one, refusal, refused, row
from tests.sql.library import (
    add_lead,
    add_ticket,
    approved,
    check_all,
    edit,
    move,
    new_words,
    offered,
    open_library,
    state,
    version,
    write,
)
from tests.sql.texts import open_desk, shop

READERS = ("ann", "cid", "ops", "mgr", "whs", "ana", "adm")


@pytest.fixture
def desk(db: Connection) -> Connection:
    open_library(db)
    return db


def said(conn: Connection, script_id: int, who: str = "mgr") -> Any:
    """The page of a script."""
    return ask(conn, who, "script_detail", script_id)


# --- the shelves of a new installation ---


def test_the_seeds_pass_our_own_word_check(db: Connection) -> None:
    seeds = db.execute("select code, area, stage, body from private.seed_scripts()").fetchall()
    contexts = [words.Context("reply" if area == "aftersales" else "script") for _, area, _, _ in seeds]
    results = words.check_many([body for *_, body in seeds], contexts=contexts)
    assert {code: r.hits for (code, *_), r in zip(seeds, results, strict=True) if r.verdict != "clean"} == {}
    assert {name for *_, body in seeds for name in names_in(body)} <= set(VARIABLES)
    assert {"bad_review_threat", "claim_compensation", "payment_nudge", "out_of_stock", "remote_address",
            "price_protection", "transfer"} <= {code for code, *_ in seeds}  # fmt: skip
    assert one(db, "select count(*) from scripts where state = 'approved' and live_id = revision_id") == len(
        seeds
    )
    assert row(db, "select count(*) filter (where parent_id is null), count(*) from root_causes") == (4, 20)
    assert one(db, "select count(*) from solutions where state = 'published'") >= 4
    assert one(db, "select array_agg(distinct purpose order by purpose) from reason_chips") == [
        "close", "lost", "remark", "waive",
    ]  # fmt: skip


def test_python_and_the_database_name_the_same(db: Connection) -> None:
    assert one(db, "select private.script_variables()") == list(VARIABLES)
    for area in AREAS:
        assert one(db, "select private.script_stages(%s)", area) == list(stages(area))
    assert one(db, "select private.script_stages('presales')") == list(STAGES)


def test_seeds_are_offered_once_the_worker_has_read_them(db: Connection) -> None:
    open_desk(db)
    assert offered(db) == []
    assert ask(db, "ops", "script_list", {"tab": "stopped"})["tabs"]["stopped"] > 10
    check_all(db)
    assert len(offered(db, limit=50)) == one(db, "select count(*) from private.seed_scripts()")


def test_a_new_shop_has_its_scripts_read_by_the_worker(db: Connection) -> None:
    rpc = open_desk(db)
    db.execute("select private.ensure_shop('neu', '新店', 'douyin')")
    worker = Worker(rpc, Keyring.parse(generate_key()))
    assert jobs.run_once(worker, kinds=["check_scripts"])
    assert not jobs.run_once(worker, kinds=["check_scripts"])
    places = (
        "select count(*) filter (where verdict = 'clean'), count(*) from script_places where shop_id = %s"
    )
    seeds = one(db, "select count(*) from private.seed_scripts()")
    assert row(db, places, shop(db, "neu")) == (seeds, seeds)


# --- the way of a script ---


def test_who_may_take_which_step(desk: Connection) -> None:
    """Every step, from every state, by every role: what is not listed is refused and changes nothing."""
    team = {
        "submit": ("draft", ("cid", "ops", "mgr", "mg2"), "pending"),
        "approve": ("pending", ("mgr", "mg2", "adm"), "approved"),
        "return": ("pending", ("cid", "ops", "mgr", "mg2", "adm"), "draft"),
        "retire": ("*", ("cid", "ops", "mgr", "mg2"), "retired"),
        "restore": ("retired", ("cid", "ops", "mgr", "mg2"), "draft"),
        "discard": ("never", (), ""),
    }
    people = ("ann", "cid", "ops", "mgr", "mg2", "adm", "whs", "ana", "far")
    wrong = []
    for here, before in (
        ("draft", ()),
        ("pending", ("submit",)),
        ("approved", ("submit", "approve")),
        ("retired", ("retire",)),
    ):
        script_id = write(desk, "cid")
        for made in before:
            move(desk, "mgr" if made == "approve" else "cid", script_id, made, "因为")
        for step, (start, allowed, end) in team.items():
            for who in people:
                goes = who in allowed and (start == here or (start == "*" and here != end))
                with desk.transaction(force_rollback=True):
                    try:
                        with desk.transaction():
                            answer = move(desk, who, script_id, step, "因为")
                    except psycopg.Error:
                        answer = "refused"
                    if (answer, state(desk, script_id)) != ((end, end) if goes else ("refused", here)):
                        wrong.append((here, step, who, answer, state(desk, script_id)))
    assert wrong == []


def test_nobody_approves_his_own_text(desk: Connection) -> None:
    for who in ("mgr", "mg2"):
        script_id = write(desk, who)
        move(desk, who, script_id, "submit")
        with refusal("PT409", "script.own"), desk.transaction():
            move(desk, who, script_id, "approve")
        assert state(desk, script_id) == "pending"
    script_id = approved(desk)
    edit(desk, "mgr", script_id, "您好，在的")  # the manager's own text now
    move(desk, "mgr", script_id, "submit")
    with refusal("PT409", "script.own"):
        move(desk, "mgr", script_id, "approve")


def test_only_a_text_that_was_checked_is_approved(desk: Connection) -> None:
    facts = {"shop_id": shop(desk), "title": "问候", "body": "您好", "area": "presales"}
    unread = int(call(desk, "ops", "save_script", None, None, facts)["id"])
    tried = {
        "text.unchecked": unread,
        "text.blocked": write(desk, body="最佳面霜"),
        "text.reason_missing": write(desk, body="销量第一"),
    }
    for key, script_id in tried.items():
        with refusal("PT409", key), desk.transaction():
            move(desk, "ops", script_id, "submit")
        assert state(desk, script_id) == "draft"
    warned = tried["text.reason_missing"]
    move(desk, "ops", warned, "submit", "出处：年度榜单")
    desk.execute(
        "update script_revisions set body = '国旗' where script_id = %s", (warned,)
    )  # whatever way it changed
    with refusal("PT409", "text.unchecked"), desk.transaction():
        move(desk, "mgr", warned, "approve")
    desk.execute("update script_revisions set body = '销量第一' where script_id = %s", (warned,))
    assert move(desk, "mgr", warned, "approve") == "approved"
    assert offered(desk) == ["销量第一"]


def test_one_blocked_shop_stops_a_script_for_all(desk: Connection) -> None:
    everywhere = write(desk, body="您好", shop_id=None)
    assert one(desk, "select count(*) from script_places p join scripts s on s.revision_id = p.revision_id where s.id = %s",
               everywhere) == one(desk, "select count(*) from shops where is_active")  # fmt: skip
    blocked = write(desk, body="最佳", shop_id=None)
    with refusal("PT409", "text.blocked"):
        move(desk, "ops", blocked, "submit")


def test_what_is_in_use_stays_until_the_edit_is_approved(desk: Connection) -> None:
    script_id = approved(desk, "旧的说法")
    edit(desk, "ops", script_id, "新的说法")
    assert (state(desk, script_id), offered(desk)) == ("draft", ["旧的说法"])
    found = said(desk, script_id)
    assert (found["script"]["body"], found["live"]["body"]) == ("新的说法", "旧的说法")
    move(desk, "ops", script_id, "discard")
    assert (state(desk, script_id), said(desk, script_id)["script"]["body"]) == ("approved", "旧的说法")
    edit(desk, "ops", script_id, "更新的说法")
    move(desk, "ops", script_id, "submit")
    move(desk, "mgr", script_id, "approve")
    assert offered(desk) == ["更新的说法"]
    found = said(desk, script_id)
    assert [r["body"] for r in found["revisions"]] == ["更新的说法", "新的说法", "旧的说法"]
    assert [e["action"] for e in found["timeline"]] == [
        "approve", "submit", "edited", "discard", "edited", "approve", "submit", "created",
    ]  # fmt: skip
    move(desk, "ops", script_id, "retire", "活动结束")
    assert offered(desk) == []


def test_a_colleague_was_faster(desk: Connection) -> None:
    script_id = write(desk)
    seen = version(desk, "scripts", script_id)
    edit(desk, "mgr", script_id, "同事的说法")
    facts = {"shop_id": shop(desk), "title": "问候", "body": "我的说法", "area": "presales"}
    with refusal("PT409", "script.stale"), desk.transaction():
        call(desk, "ops", "save_script", script_id, seen, facts)
    with refusal("PT409", "script.stale"), desk.transaction():
        call(desk, "ops", "move_script", script_id, seen, "submit", None)
    assert said(desk, script_id)["script"]["body"] == "同事的说法"
    with refusal("PT403", "script.not_yours"), desk.transaction():
        call(desk, "ann", "save_script", script_id, version(desk, "scripts", script_id), facts)
    request = uuid4()
    first = call(desk, "ops", "save_script", None, None, facts, request=request)
    assert call(desk, "ops", "save_script", None, None, facts, request=request) == first
    assert one(desk, "select count(*) from script_revisions where body = '我的说法'") == 1


@pytest.mark.parametrize(
    ("facts", "key"),
    [
        ({"body": "{老板电话}您好"}, "script.variable"),
        ({"body": "{}您好"}, "script.variable"),
        ({"body": "{订单号您好"}, "script.brace"),
        ({"body": "订单号}您好"}, "script.brace"),
        ({"stage": "reship"}, "script.stage"),
        ({"area": "aftersales", "stage": "won"}, "script.stage"),
        ({"area": "elsewhere"}, "script.bad_value"),
        ({"sku": "无此货"}, "script.product"),
        ({"title": " "}, "script.bad_value"),
        ({"body": "长" * 2001}, "script.bad_value"),
        ({"category": "toys"}, "script.bad_value"),
        ({"campaign_from": "2026-11-20", "campaign_until": "2026-11-19"}, "script.bad_value"),
        ({"expires_at": "明天"}, "script.bad_value"),
        ({"scope": "secret"}, "script.bad_value"),
        ({"root_cause_id": 10**15}, "script.bad_value"),
        ({"shop_id": 10**15}, "shop.none"),
    ],
)
def test_nonsense_is_refused(desk: Connection, facts: dict[str, Any], key: str) -> None:
    before = one(desk, "select count(*) from scripts")
    whole = {"shop_id": shop(desk), "title": "问候", "body": "您好", "area": "presales"} | facts
    with pytest.raises(psycopg.Error) as caught, desk.transaction():
        call(desk, "ops", "save_script", None, None, whole)
    assert refused(caught.value)[1] == key
    assert one(desk, "select count(*) from scripts") == before


# --- when it may be used ---


def test_outside_its_dates_it_is_never_offered(desk: Connection) -> None:
    hour = timedelta(hours=1)
    dates = {"campaign_from": NOON + hour, "campaign_until": NOON + 3 * hour, "expires_at": NOON + 2 * hour}
    script_id = approved(desk, **{name: moment.isoformat() for name, moment in dates.items()})
    seen = {}
    for minutes in (0, 59, 60, 119, 120, 180, 240):
        at(desk, NOON + timedelta(minutes=minutes))
        try:
            with desk.transaction():
                call(desk, "cid", "use_script", script_id, shop(desk), None, None)
            used = True
        except psycopg.Error as error:
            used = refused(error) != ("PT409", "script.not_offered")
        assert bool(offered(desk)) is used
        assert bool(ask(desk, "cid", "script_list", {"tab": "usable"})["rows"]) is used
        seen[minutes] = used
    assert seen == {0: False, 59: False, 60: True, 119: True, 120: False, 180: False, 240: False}
    assert ask(desk, "cid", "script_list", {"tab": "over"})["rows"][0]["id"] == script_id
    late = write(desk, expires_at=NOON.isoformat())
    with refusal("PT409", "script.over"):
        move(desk, "ops", late, "submit")


def test_a_new_word_stops_it_and_evidence_or_a_newer_dictionary_frees_it(desk: Connection) -> None:
    both = approved(desk, "老款面霜", shop_id=None)
    other = approved(desk, "您好")
    new_words(desk, ["老款", "absolute", "block", "广告法第九条", "删去", "exact", "", ""])
    assert offered(desk) == ["您好"]
    assert state(desk, both) == "approved"
    with refusal("PT409", "script.not_offered"), desk.transaction():
        call(desk, "cid", "use_script", both, shop(desk), None, None)
    found = said(desk, both)
    assert {place["verdict"] for place in found["places"]} == {"block"}
    assert found["places"][0]["hits"][0]["term"] == "老款"
    assert "suspended" in [e["action"] for e in found["timeline"]]
    assert [r["id"] for r in ask(desk, "mgr", "script_list", {"tab": "stopped"})["rows"]] == [both]
    new_words(desk, basis=103)  # the word is gone again
    assert sorted(offered(desk)) == ["您好", "老款面霜"]
    assert "cleared" in [e["action"] for e in said(desk, both)["timeline"]]
    assert "suspended" not in [e["action"] for e in said(desk, other)["timeline"]]


def test_a_word_of_one_platform_stops_it_there_alone(desk: Connection) -> None:
    approved(desk, "客官您好", shop_id=None)
    new_words(desk, ["客官", "platform", "block", "平台规则", "删去", "exact", "", ""])
    desk.execute("update compliance_words set platforms = '{jd}' where term = '客官'")
    desk.execute(
        "update word_versions set token = gen_random_uuid()"
    )  # another state for programs that remember one
    check_all(desk)
    assert offered(desk) == ["客官您好"]
    assert [r["body"] for r in ask(desk, "far", "scripts_for", {"shop_id": shop(desk, "two")})] == []


def test_a_personal_script_is_its_owners_own(desk: Connection) -> None:
    mine = write(desk, "cid", "我的口头禅", scope="personal", shop_id=None)
    assert move(desk, "cid", mine, "submit") == "approved"  # nobody else needs to agree
    assert offered(desk, "cid") == ["我的口头禅"]
    for who in ("ann", "ops", "mgr"):
        assert offered(desk, who) == []
        with refusal("PT409", "script.not_offered"), desk.transaction():
            call(desk, who, "use_script", mine, shop(desk), None, None)
    seen = {who: said(desk, mine, who) is not None for who in READERS}
    assert seen == {
        "ann": False,
        "cid": True,
        "ops": False,
        "mgr": True,
        "whs": False,
        "ana": False,
        "adm": True,
    }
    visible = {}
    for who in READERS:
        with as_member(desk, who):
            visible[who] = bool(one(desk, "select count(*) from script_revisions where body = '我的口头禅'"))
    assert visible == seen
    with refusal("PT409", "script.not_yours"), desk.transaction():
        move(desk, "mgr", mine, "retire", "不要")
    bad = write(desk, "cid", "最佳", scope="personal")
    with refusal("PT409", "text.blocked"), desk.transaction():
        move(desk, "cid", bad, "submit")
    edit(desk, "cid", mine, "我的口头禅", scope="team", shop_id=None)  # proposed to the team
    assert (move(desk, "cid", mine, "submit"), offered(desk, "cid")) == ("pending", [])
    team = approved(desk)
    with refusal("PT403", "script.not_yours"):
        edit(desk, "ops", team, "拿走", scope="personal")


def test_other_shops_see_nothing(desk: Connection) -> None:
    script_id = approved(desk)
    assert said(desk, script_id, "far") is None
    assert ask(desk, "far", "script_list", {"tab": "usable"})["rows"] == []
    with as_member(desk, "far"):
        assert one(desk, "select count(*) from scripts where id = %s", script_id) == 0
        assert (
            one(
                desk,
                "select count(*) from script_places where shop_id <> all (array(select private.my_shop_ids()))",
            )
            == 0
        )
    with refusal("PT404", "shop.none"), desk.transaction():
        ask(desk, "far", "scripts_for", {"shop_id": shop(desk)})
    with refusal("PT404", "shop.none"), desk.transaction():
        call(desk, "far", "use_script", script_id, shop(desk), None, None)
    with refusal("PT404", "script.none"):
        move(desk, "far", script_id, "retire", "不是我的")


def test_the_best_fitting_comes_first(desk: Connection) -> None:
    surface = one(desk, "select id from root_causes where code = 'quality_surface'")
    approved(desk, "通用", area="both")
    approved(desk, "异议", stage="objection")
    approved(desk, "价格异议", stage="objection", objection="价格贵")
    approved(desk, "面霜 A", sku="A")
    approved(desk, "划痕补发", area="aftersales", stage="reship", root_cause_id=surface)
    approved(desk, "促成", stage="closing")
    assert offered(desk, area="presales", stage="objection", objection="价格贵") == [
        "价格异议",
        "异议",
        "通用",
    ]
    assert offered(desk, area="presales", skus=["A"])[0] == "面霜 A"
    assert "面霜 A" not in offered(desk, area="presales", skus=["B"])
    assert offered(desk, area="aftersales", stage="reship", root_cause_id=surface) == ["划痕补发", "通用"]
    other = one(desk, "select id from root_causes where code = 'service_slow'")
    assert offered(desk, area="aftersales", stage="reship", root_cause_id=other) == ["通用"]
    assert offered(desk, q="划痕") == ["划痕补发"]
    with refusal("PT422", "filter.bad"):
        offered(desk, limit="viele")


# --- use and outcome ---


def test_uses_are_counted_with_what_came_of_them(desk: Connection) -> None:
    good, idle = approved(desk, "好用"), approved(desk, "没人用")
    won, open_lead = add_lead(desk, won_at=NOON + timedelta(days=1)), add_lead(desk)
    before = add_lead(desk, won_at=NOON - timedelta(days=1))
    solved, waiting = add_ticket(desk, solved_at=NOON + timedelta(days=1)), add_ticket(desk)
    order = add_order(desk, "1")
    for who, entity, entity_id in (
        ("cid", "lead", won), ("ann", "lead", won), ("cid", "lead", open_lead), ("cid", "lead", before),
        ("cid", "ticket", solved), ("cid", "ticket", waiting), ("whs", "order", order), ("ops", None, None),
    ):  # fmt: skip
        call(desk, who, "use_script", good, shop(desk), entity, entity_id)
    span = [NOON - timedelta(days=1), NOON + timedelta(days=1)]
    figures = figures_of(desk, "mgr", *span)
    assert figures == {good: {"uses": 8, "members": 4, "leads": 3, "won": 1, "tickets": 2, "solved": 1}}
    assert idle not in figures
    assert figures_of(desk, "mgr", NOON + timedelta(seconds=1), span[1]) == {}  # from: included, to: not
    assert figures_of(desk, "far", *span) == {}
    assert said(desk, good)["outcome"]["won"] == 1
    assert said(desk, good)["script"]["uses"] == 8


def figures_of(conn: Connection, who: str, since: datetime, until: datetime) -> dict[int, dict[str, int]]:
    found = ask(conn, who, "script_figures", since, until)
    names = ("uses", "members", "leads", "won", "tickets", "solved")
    return {line["id"]: {name: line[name] for name in names} for line in found}


def test_a_use_names_a_case_of_that_shop(desk: Connection) -> None:
    script_id = approved(desk, shop_id=None)
    abroad = add_lead(desk, code="two")
    for entity, entity_id in (
        ("lead", abroad),
        ("lead", 10**15),
        ("ticket", None),
        ("member", 1),
        ("lead; drop", 1),
    ):
        with refusal("PT404", "library.case_none"), desk.transaction():
            call(desk, "cid", "use_script", script_id, shop(desk), entity, entity_id)
    with refusal("PT403", "member.role"), desk.transaction():
        call(desk, "ana", "use_script", script_id, shop(desk), None, None)
    assert one(desk, "select count(*) from script_uses") == 0
    request = uuid4()
    for _ in range(2):
        call(desk, "cid", "use_script", script_id, shop(desk), None, None, request=request)
    assert one(desk, "select count(*) from script_uses") == 1


def test_lists_page_by_keyset_and_filter(desk: Connection) -> None:
    made = [approved(desk, f"说法 {n}", area="presales" if n % 2 else "aftersales") for n in range(30)]
    first = ask(desk, "cid", "script_list", {"tab": "usable"})
    assert [r["id"] for r in first["rows"]] == made[:4:-1]
    rest = ask(desk, "cid", "script_list", {"tab": "usable", "after": first["next"]})
    assert ([r["id"] for r in rest["rows"]], rest["next"]) == (made[4::-1], None)
    assert first["tabs"]["usable"] == 30
    assert ask(desk, "cid", "script_list", {"tab": "usable", "area": "presales"})["tabs"]["usable"] == 15
    assert [r["body"] for r in ask(desk, "cid", "script_list", {"q": "说法 29"})["rows"]] == ["说法 29"]
    with refusal("PT422", "filter.bad"):
        ask(desk, "cid", "script_list", {"after": "'; drop table scripts"})
