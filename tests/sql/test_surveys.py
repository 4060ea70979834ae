"""Asking customers: who is asked once, what a low answer starts, who may end it, and what a link can do."""

from __future__ import annotations

import hashlib
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from psycopg.types.json import Jsonb

from tests.sql import desk as floor
from tests.sql.desk import NOON, add_order, ask, at, one, refusal, row
from tests.support import as_role

Connection = psycopg.Connection[Any]
THREE_DAYS, WEEK, DAY = timedelta(days=3), timedelta(days=7), timedelta(days=1)


@pytest.fixture
def desk(db: Connection) -> Connection:
    """The floor with all three of the after-sales desk able to score: everybody asked, nobody called."""
    floor.open_floor(db)
    db.execute("update survey_settings set order_share = 100, callback_share = 0 where shop_id is null")
    return db


def resolved(desk: Connection, **facts: Any) -> int:
    """A case of shop one that ann has just resolved; it waits for its score."""
    values = {"order_id": None, "channel": "wangwang"} | facts
    number = one(
        desk,
        """insert into tickets (shop_id, type, state, owner_id, order_id, channel, outcome, resolved_at, first_resolved_at, registered_at)
           select s.id, 'reship', 'resolved', m.id, %s, %s, 'reshipped', private.now(), private.now(), private.now()
           from shops s, members m where s.code = 'one' and m.staff_no = 'ann' returning id""",
        values["order_id"], values["channel"],
    )  # fmt: skip
    desk.execute("select private.after_resolve(t, private.now()) from tickets t where id = %s", (number,))
    return int(number)


def ticket(desk: Connection, number: int) -> Any:
    """State, owner, score, instance of a ticket."""
    return row(
        desk,
        "select t.state, m.staff_no, t.score, t.instance from tickets t left join members m on m.id = t.owner_id where t.id = %s",
        number,
    )


def call(desk: Connection, who: str, function: str, number: int, facts: dict[str, Any]) -> Any:
    """A step of a ticket with its current version."""
    known = version(desk, number)
    with floor.as_member(desk, who):
        query = f"select public.{function}(%s, %s, %s, gen_random_uuid())"
        return one(desk, query, number, known, Jsonb(facts))


def version(desk: Connection, number: int) -> int:
    return int(one(desk, "select version from tickets where id = %s", number))


def clocks(desk: Connection, entity: str, number: int) -> dict[str, Any]:
    """Latest clock of each target: state."""
    return dict(
        desk.execute(
            "select distinct on (target) target, state from sla_clocks where entity = %s and entity_id = %s order by target, instance desc",
            (entity, number),
        ).fetchall()
    )


def cause(desk: Connection) -> int:
    return int(one(desk, "select min(id) from root_causes where is_active"))


def finding(desk: Connection, then: str = "close") -> dict[str, Any]:
    return {"finding": "包装太薄", "root_cause_id": cause(desk), "then": then}


def test_a_resolution_is_asked_about_once_and_a_second_one_again(desk: Connection) -> None:
    number = resolved(desk)
    assert ticket(desk, number)[0] == "revisit"
    assert clocks(desk, "ticket", number)["survey"] == "running"
    text = ask(desk, "ann", "survey_text", number, None)
    assert f"T-{number}" in text["text"]
    assert text["low_score"] == 2
    assert text["can_link"] is False
    desk.execute("select private.invite_ticket(t, private.now()) from tickets t where id = %s", (number,))
    assert one(desk, "select count(*) from surveys where ticket_id = %s", number) == 1

    desk.execute("update tickets set state = 'in_progress', instance = 2 where id = %s", (number,))
    assert one(desk, "select state from surveys where ticket_id = %s", number) == "cancelled"
    assert clocks(desk, "ticket", number)["survey"] == "cancelled"
    with refusal("PT409", "ticket.wrong_state"):
        score(desk, "ann", number, 5)
    desk.execute("update tickets set state = 'resolved' where id = %s", (number,))
    desk.execute("select private.after_resolve(t, private.now()) from tickets t where id = %s", (number,))
    assert desk.execute(
        "select instance, state from surveys where ticket_id = %s order by instance", (number,)
    ).fetchall() == [(1, "cancelled"), (2, "waiting")]


def score(desk: Connection, who: str, number: int, points: int | None, **more: Any) -> Any:
    """What who types (points null: no answer)."""
    facts = {"ticket_id": number, **({"score": points} if points else {"no_answer": True}), **more}
    with floor.as_member(desk, who):
        return one(desk, "select public.record_score(%s, gen_random_uuid())", Jsonb(facts))


def test_a_good_score_closes_the_case_and_no_answer_does_not(desk: Connection) -> None:
    number = resolved(desk)
    assert score(desk, "ann", number, None)["state"] == "asked"
    assert ticket(desk, number)[0] == "revisit"
    assert clocks(desk, "ticket", number)["survey"] == "fulfilled"
    with refusal("PT422", "survey.score"):
        score(desk, "ann", number, 6)
    assert score(desk, "ann", number, 3, comment="还行")["ticket_state"] == "closed"
    assert ticket(desk, number) == ("closed", "ann", 3, 1)
    with refusal("PT409", "ticket.wrong_state"):
        score(desk, "ann", number, 1)
    assert ticket(desk, number) == ("closed", "ann", 3, 1)


def test_nobody_answered_by_the_limit(desk: Connection) -> None:
    number = resolved(desk)
    at(desk, NOON + WEEK - timedelta(seconds=1))
    desk.execute("select private.tick_surveys(private.now())")
    assert ticket(desk, number)[0] == "revisit"
    at(desk, NOON + WEEK)
    desk.execute("select private.tick_surveys(private.now())")
    assert ticket(desk, number)[0] == "closed"
    assert one(desk, "select state from surveys where ticket_id = %s", number) == "unanswered"
    assert clocks(desk, "ticket", number)["survey"] == "fulfilled_late"  # asking was missed, and stays so


@pytest.mark.parametrize("then", ["close", "rework"])
def test_a_low_score_is_reviewed_by_the_lead_within_a_day(desk: Connection, then: str) -> None:
    number = resolved(desk)
    answer = score(desk, "ann", number, 2, comment="又坏了")
    assert answer["ticket_state"] == "review"
    assert ticket(desk, number) == ("review", "lea", 2, 1)
    due = one(
        desk,
        "select due_at from sla_clocks where entity = 'ticket' and entity_id = %s and target = 'low_score'",
        number,
    )
    assert due == NOON + DAY
    told = desk.execute(
        "select m.staff_no, n.is_urgent, n.params ->> 'score' from notifications n join members m on m.id = n.member_id where n.kind = 'low_score'"
    ).fetchall()
    assert sorted(told) == [
        ("lea", True, "2"),
        ("ops", True, "2"),
    ]  # at once; not the other shop's operations
    assert ask(desk, "ana", "review_list", {})["rows"][0]["comment"] == "又坏了"
    assert ask(desk, "far", "review_list", {})["rows"] == []

    for who, code, key in (
        ("ann", "PT403", "ticket.needs_lead"),
        ("ops", "PT403", "ticket.needs_lead"),
        ("ana", "PT403", "member.role"),
        ("whs", "PT403", "member.role"),
        ("far", "PT404", "ticket.none"),
    ):
        with refusal(code, key):
            finish(desk, who, number, finding(desk, then))
    for facts, key in (
        ({"finding": " "}, "review.finding"),
        ({"finding": "电话 13800001234"}, "review.finding"),
        ({"root_cause_id": None}, "review.root_cause"),
        ({"then": "forget"}, "request.bad_value"),
    ):
        with refusal("PT422", key):
            finish(desk, "lea", number, finding(desk, then) | facts)
    assert ticket(desk, number)[0] == "review"

    finish(desk, "lea", number, finding(desk, then))
    assert clocks(desk, "ticket", number)["low_score"] == "fulfilled"
    assert one(desk, "select root_cause_id from tickets where id = %s", number) == cause(desk)
    assert ticket(desk, number)[:2] == (("closed", "ann") if then == "close" else ("in_progress", "ann"))
    assert ticket(desk, number)[3] == (1 if then == "close" else 2)
    assert one(desk, "select count(*) from notifications where kind = 'low_score' and closed_at is null") == 0


def finish(desk: Connection, who: str, number: int, facts: dict[str, Any]) -> Any:
    return call(desk, who, "finish_review", number, facts)


def test_the_line_between_low_and_good_is_a_setting_of_the_shop(desk: Connection) -> None:
    shop = one(desk, "select id from shops where code = 'one'")
    had = ask(desk, "mgr", "survey_settings_screen", shop)
    assert (had["is_own"], had["version"], had["low_score"]) == (False, None, 2)
    facts = {
        name: had[name]
        for name in ("order_share", "callback_share", "answer_days", "order_text", "ticket_text")
    }

    def save(who: str, given: Any, **changed: Any) -> Any:
        with floor.as_member(desk, who):
            values = Jsonb(facts | {"low_score": 3} | changed)
            return one(
                desk, "select public.save_survey_settings(%s, %s, %s, gen_random_uuid())", shop, given, values
            )

    for who, key in (("ops", "member.role"), ("adm", "member.role"), ("ann", "member.role")):
        with refusal("PT403", key):
            save(who, None)
    for changed, key in (
        ({"low_score": 5}, "survey.bad_setting"),
        ({"callback_share": "101"}, "survey.bad_setting"),
        ({"ticket_text": "满意请给五星好评"}, "survey.inducement"),
        ({"ticket_text": "亲，回复 5 星 有红包，谢谢您的支持"}, "survey.inducement"),
        ({"ticket_text": "有问题先联系我们，请不要投诉或打差评"}, "survey.inducement"),
        ({"order_text": "Please give us five stars and get a coupon"}, "survey.inducement"),
        ({"order_text": "短"}, "survey.text"),
        ({"order_text": "不满意请打 13800001234 告诉我们"}, "survey.text"),
    ):
        with refusal("PT422", key):
            save("mgr", None, **changed)
    assert one(desk, "select count(*) from survey_settings") == 1
    assert save("mgr", None) == {"version": 1}
    with refusal("PT409", "survey.settings_stale"):
        save("mgr", None)
    number = resolved(desk)
    assert score(desk, "ann", number, 3)["ticket_state"] == "review"


def test_signed_orders_are_asked_and_called_by_share(desk: Connection) -> None:
    desk.execute("update survey_settings set callback_share = 100 where shop_id is null")
    fresh, old, refunded, open_case = (add_order(desk, f"S-{n}", status="completed") for n in range(4))
    desk.execute(
        "update orders set signed_at = private.now() - interval '1 day' where id = any (%s)",
        ([fresh, refunded, open_case],),
    )
    desk.execute("update orders set signed_at = private.now() - interval '4 days' where id = %s", (old,))
    desk.execute("update orders set refund = 'done' where id = %s", (refunded,))
    desk.execute(
        "insert into tickets (shop_id, type, state, order_id, registered_at) select shop_id, 'logistics', 'registered', id, now() from orders where id = %s",
        (open_case,),
    )
    for _ in range(2):
        desk.execute("select private.tick_surveys(private.now())")
    found = row(desk, "select id, order_id, is_sampled, closes_at from surveys")
    assert one(desk, "select count(*) from surveys") == 1
    assert found[1:3] == (fresh, True)
    assert found[3] == NOON - DAY + WEEK
    due = dict(desk.execute("select target, due_at from sla_clocks where entity = 'survey'").fetchall())
    assert due == {"survey": NOON - DAY + THREE_DAYS, "callback": NOON - DAY + WEEK}

    claim(desk, "ann", found[0])
    with floor.as_member(desk, "ann"):
        one(
            desk,
            "select public.record_score(%s, gen_random_uuid())",
            Jsonb({"order_id": fresh, "no_answer": True}),
        )
    assert clocks(desk, "survey", found[0]) == {"survey": "fulfilled", "callback": "running"}
    with floor.as_member(desk, "ann"):
        one(
            desk,
            "select public.record_score(%s, gen_random_uuid())",
            Jsonb({"order_id": fresh, "score": 5, "as": "call"}),
        )
    assert clocks(desk, "survey", found[0]) == {"survey": "fulfilled", "callback": "fulfilled"}
    assert one(desk, "select count(*) from tickets where order_id = %s", fresh) == 0

    shares = [
        one(desk, "select count(*) from generate_series(1, 10000) i where private.falls_in(i, %s, 'ask')", n)
        for n in (0, 10, 100)
    ]
    assert shares[0] == 0
    assert 850 <= shares[1] <= 1150
    assert shares[2] == 10000


def test_switched_off_policies_stop_no_tick_and_no_answer(desk: Connection) -> None:
    desk.execute(
        "update sla_policies set is_active = false where code in ('survey', 'callback', 'low_score')"
    )
    order = add_order(desk, "S-1", status="completed")
    desk.execute("update orders set signed_at = private.now() where id = %s", (order,))
    assert one(desk, "select private.tick_surveys(private.now())") == 1
    number = resolved(desk)
    assert score(desk, "ann", number, 1)["ticket_state"] == "review"
    assert clocks(desk, "ticket", number) == {}
    finish(desk, "lea", number, finding(desk))
    at(desk, NOON + WEEK)
    assert one(desk, "select private.tick_surveys(private.now())") == 1
    assert one(desk, "select state from surveys where order_id = %s", order) == "unanswered"


def test_a_reminder_of_an_order_falls_to_one_of_those_on_duty(desk: Connection) -> None:
    for n in range(30):
        order = add_order(desk, f"S-{n}", status="completed")
        desk.execute("update orders set signed_at = private.now() where id = %s", (order,))
    desk.execute("select private.tick_surveys(private.now())")
    owners = [
        row[0]
        for row in desk.execute(
            "select m.role from private.survey_subjects(array(select id from surveys), private.now()) s left join members m on m.id = s.owner_id"
        )
    ]
    assert owners == ["agent"] * 30
    people = one(
        desk,
        "select count(distinct owner_id) from private.survey_subjects(array(select id from surveys), private.now())",
    )
    assert people >= 3


def test_a_low_score_of_an_order_opens_one_case(desk: Connection) -> None:
    order = add_order(desk, "S-1", status="completed")
    desk.execute("update orders set signed_at = private.now() where id = %s", (order,))
    desk.execute("select private.tick_surveys(private.now())")
    claim(desk, "ann", one(desk, "select id from surveys"))
    with floor.as_member(desk, "ann"):
        answer = one(
            desk,
            "select public.record_score(%s, gen_random_uuid())",
            Jsonb({"order_id": order, "score": 1, "comment": "少了一件"}),
        )
    number = answer["ticket_id"]
    found = row(desk, "select source, severity, order_id, summary from tickets where id = %s", number)
    assert found == ("survey", "high", order, "满意度 1 分 · 少了一件")
    assert clocks(desk, "ticket", number)["low_score"] == "running"
    assert (
        one(desk, "select count(*) from score_reviews where ticket_id = %s and state = 'open'", number) == 1
    )
    with refusal("PT409", "survey.over"), floor.as_member(desk, "ann"):
        one(desk, "select public.record_score(%s, gen_random_uuid())", Jsonb({"order_id": order, "score": 1}))
    assert one(desk, "select count(*) from tickets where order_id = %s", order) == 1
    finish(desk, "mgr", number, finding(desk))  # the case itself goes its own way
    assert ticket(desk, number)[0] not in ("review", "closed")
    twice = """insert into score_reviews (shop_id, ticket_id, score, opened_at)
        select shop_id, id, 1, now() from tickets, generate_series(1, 2) where id = %s"""
    with pytest.raises(psycopg.errors.UniqueViolation), desk.transaction():
        desk.execute(twice, (number,))


def claim(desk: Connection, who: str, survey: int) -> Any:
    return ask(desk, who, "claim_survey", survey, uuid.uuid4())


def test_only_whom_the_customer_answered_records_his_score(desk: Connection) -> None:
    """Of a ticket its owner, of an order whoever claimed it, a lead always; everybody else changes nothing."""
    resolved(desk)
    order = add_order(desk, "S-1", status="completed")
    desk.execute("update orders set signed_at = private.now() where id = %s", (order,))
    desk.execute("select private.tick_surveys(private.now())")
    of_ticket, of_order = (
        one(desk, "select id from surveys where kind = %s", kind) for kind in ("ticket", "order")
    )

    def tried(who: str, survey: int) -> str:
        """What becomes of a score of 4, taken back afterwards."""
        before = row(desk, "select s::text from surveys s where id = %s", survey)
        try:
            with desk.transaction(force_rollback=True):
                return str(
                    ask(desk, who, "record_score", {"survey_id": survey, "score": 4}, uuid.uuid4())["score"]
                )
        except psycopg.Error as error:
            assert row(desk, "select s::text from surveys s where id = %s", survey) == before
            return str(error.diag.message_primary)

    people = ("ann", "ben", "ops", "adm", "lea", "mgr", "ana", "whs", "far")
    denied = ["member.role", "member.role", "survey.none"]
    assert [tried(who, of_ticket) for who in people] == ["4", *["ticket.not_yours"] * 3, "4", "4", *denied]
    assert [tried(who, of_order) for who in people] == [*["survey.unclaimed"] * 4, "4", "4", *denied]
    for who, code, key in (
        ("ana", "PT403", "member.role"),
        ("whs", "PT403", "member.role"),
        ("far", "PT404", "survey.none"),
    ):
        with refusal(code, key):
            claim(desk, who, of_order)
    with refusal("PT409", "survey.of_ticket"):
        claim(desk, "ben", of_ticket)
    assert one(desk, "select count(*) from surveys where claimed_by is not null") == 0
    claim(desk, "ben", of_order)
    with refusal("PT409", "survey.claimed"):
        claim(desk, "ann", of_order)
    assert [tried(who, of_order) for who in people] == [
        "survey.claimed", "4", "survey.claimed", "survey.claimed", "4", "4", *denied,
    ]  # fmt: skip
    shown = {
        who: ask(desk, who, "survey_list", {"survey_id": of_order})["rows"][0]
        for who in ("ann", "ben", "ana")
    }
    assert {who: (one_["can_record"], one_["holder"]) for who, one_ in shown.items()} == {
        "ann": (False, "ben"), "ben": (True, "ben"), "ana": (False, "ben"),
    }  # fmt: skip
    at(desk, NOON + DAY)  # a claim is no possession
    assert tried("ben", of_order) == "survey.unclaimed"
    claim(desk, "ann", of_order)
    assert tried("ann", of_order) == "4"


def test_a_wrong_score_is_put_right_by_a_manager_and_both_are_kept(desk: Connection) -> None:
    desk.execute("update members set role = 'manager' where staff_no = 'far'")
    number = resolved(desk)
    score(desk, "ann", number, 5)
    survey = one(desk, "select id from surveys where ticket_id = %s", number)

    def correct(who: str, points: Any, reason: str = "客户说的是另一个分数", known: int | None = None) -> Any:
        shown = one(desk, "select version from surveys where id = %s", survey) if known is None else known
        return ask(
            desk, who, "correct_score", survey, shown, {"score": points, "reason": reason}, uuid.uuid4()
        )

    before = row(
        desk,
        "select s::text, t::text from surveys s join tickets t on t.id = s.ticket_id where s.id = %s",
        survey,
    )
    for who, code, key, more in (
        *((who, "PT403", "member.role", {}) for who in ("ann", "lea", "ops", "adm", "ana", "whs")),
        ("far", "PT404", "survey.none", {}),
        ("mgr", "PT409", "survey.stale", {"known": 1}),
        ("mgr", "PT422", "survey.reason", {"reason": " "}),
        ("mgr", "PT422", "survey.reason", {"reason": "客户 13800001234 说的"}),
        ("mgr", "PT422", "survey.other_score", {"points": 5}),
        ("mgr", "PT422", "survey.other_score", {"points": 6}),
    ):  # fmt: skip
        with refusal(code, key):
            correct(who, **{"points": 1, **more})
    assert (
        row(
            desk,
            "select s::text, t::text from surveys s join tickets t on t.id = s.ticket_id where s.id = %s",
            survey,
        )
        == before
    )

    assert correct("mgr", 2)["ticket_state"] == "review"
    assert ticket(desk, number)[:3] == ("review", "lea", 2)
    assert clocks(desk, "ticket", number)["low_score"] == "running"
    assert correct("mgr", 4)["ticket_state"] == "closed"
    assert ticket(desk, number)[:3] == ("closed", "ann", 4)
    assert clocks(desk, "ticket", number)["low_score"] == "cancelled"
    assert one(desk, "select state from score_reviews where ticket_id = %s", number) == "withdrawn"
    assert one(desk, "select count(*) from notifications where kind = 'low_score' and closed_at is null") == 0
    assert row(desk, "select first_score, score from surveys where id = %s", survey) == (5, 4)
    assert desk.execute(
        "select detail ->> 'before', detail ->> 'score', detail ->> 'reason' from audit_events where action = 'score_corrected' order by id"
    ).fetchall() == [("5", "2", "客户说的是另一个分数"), ("2", "4", "客户说的是另一个分数")]
    desk.execute(
        "update surveys set handler_id = (select id from members where staff_no = 'mgr') where id = %s",
        (survey,),
    )
    with refusal("PT403", "survey.own"):
        correct("mgr", 3)
    desk.execute(
        "update surveys set handler_id = null, answered_as = 'link', answered_by = null where id = %s",
        (survey,),
    )
    with refusal("PT409", "survey.by_customer"):
        correct("mgr", 3)
    assert row(desk, "select first_score, score from surveys where id = %s", survey) == (5, 4)


def letters(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest().translate(str.maketrans("0123456789", "ghijklmnop"))


def service(desk: Connection, query: str, *args: Any) -> Any:
    with as_role(desk, "service_role"):
        return one(desk, query, *args)


def test_a_link_is_for_the_private_domain_once_and_until_it_closes(desk: Connection) -> None:
    refused_one, number = resolved(desk), resolved(desk, channel="wecom")
    survey = {n: one(desk, "select id from surveys where ticket_id = %s", n) for n in (refused_one, number)}
    link = "select public.survey_link(%s, %s, gen_random_uuid())"
    first, second, caller = letters("first"), letters("second"), letters("someone")
    for args, who, code, key in (
        ((survey[refused_one], first), "ann", "PT422", "survey.no_link"),
        ((survey[number], "plain token"), "ann", "PT422", "request.bad_value"),
        ((survey[number], first), "far", "PT404", "survey.none"),
        ((survey[number], first), "ana", "PT403", "member.role"),
    ):
        with refusal(code, key), floor.as_member(desk, who):
            one(desk, link, *args)
    for token in (first, second):
        with floor.as_member(desk, "ann"):
            assert one(desk, link, survey[number], token)["state"] == "asked"
    opened = "select public.survey_open(%s, %s)"
    answer = "select public.survey_answer(%s, %s, %s, %s)"
    assert service(desk, opened, first, caller) == {"state": "gone"}  # a new link voids the earlier one
    assert service(desk, opened, second, caller) == {"state": "open", "kind": "ticket", "shop": "one"}
    assert service(desk, answer, second, 9, None, caller) == {"state": "bad"}
    assert service(desk, answer, second, 2, "打 13800001234", caller) == {"state": "bad"}
    assert ticket(desk, number)[0] == "revisit"
    assert service(desk, answer, second, 2, "没修好", caller) == {"state": "thanks"}
    assert service(desk, answer, second, 5, None, caller) == {"state": "answered"}
    assert service(desk, opened, second, caller) == {"state": "answered"}
    assert ticket(desk, number)[:3] == ("review", "lea", 2)
    assert row(
        desk, "select answered_as, answered_by, comment from surveys where id = %s", survey[number]
    ) == ("link", None, "没修好")
    for who in ("ann", "mgr"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege), floor.as_member(desk, who):
            one(desk, opened, second, caller)

    late = resolved(desk, channel="wecom")
    with floor.as_member(desk, "ann"):
        one(desk, link, one(desk, "select id from surveys where ticket_id = %s", late), letters("late"))
    at(desk, NOON + WEEK + timedelta(seconds=1))
    assert service(desk, answer, letters("late"), 5, None, caller) == {"state": "gone"}
    assert ticket(desk, late)[0] == "revisit"


def test_of_many_answers_at_once_one_counts(db_url: str) -> None:
    with psycopg.connect(db_url) as conn:
        floor.open_floor(conn)
        number = resolved(conn, channel="wecom")
        survey = one(conn, "select id from surveys where ticket_id = %s", number)
        with floor.as_member(conn, "ann"):
            one(conn, "select public.survey_link(%s, %s, gen_random_uuid())", survey, letters("race"))

    def answer(points: int) -> str:
        with psycopg.connect(db_url) as conn:
            if points % 2:
                return str(
                    service(
                        conn,
                        "select public.survey_answer(%s, %s, null, %s)",
                        letters("race"),
                        points,
                        letters(str(points)),
                    )["state"]
                )
            try:
                return str(score(conn, "ann", number, points)["state"])
            except psycopg.Error as error:
                return str(error.diag.message_primary)

    with ThreadPoolExecutor(6) as pool:
        said = list(pool.map(answer, (5, 4, 1, 2, 3, 5)))
    assert said.count("thanks") <= 1
    with psycopg.connect(db_url) as conn:
        assert one(conn, "select count(*) from audit_events where action = 'score_recorded'") == 1
        assert one(conn, "select count(*) from score_reviews") <= 1
        kept = row(
            conn,
            "select t.score, s.score, t.state from tickets t join surveys s on s.ticket_id = t.id where t.id = %s",
            number,
        )
    assert kept[0] == kept[1]
    assert kept[2] == ("review" if kept[0] <= 2 else "closed")


def test_the_public_route_is_slowed_down_for_one_caller_alone(desk: Connection) -> None:
    opened = "select public.survey_open(%s, %s)"
    states = [service(desk, opened, letters(str(n)), letters("busy"))["state"] for n in range(31)]
    assert states == ["gone"] * 30 + ["slow"]
    assert service(desk, opened, letters("x"), letters("other")) == {"state": "gone"}
    at(desk, NOON + timedelta(minutes=11))
    assert service(desk, opened, letters("x"), letters("busy")) == {"state": "gone"}


def test_ratings_of_a_platform_are_taken_over_once(desk: Connection) -> None:
    order = add_order(desk, "R-1")

    def load(rows: list[dict[str, Any]], name: str) -> list[tuple[int, str]]:
        number = one(
            desk,
            """insert into imports (kind, shop_id, file_name, file_hash, actor, started_at, touched_at)
               select 'orders', id, %s, %s, 'cli', now(), now() from shops where code = 'one' returning id""",
            name, name,
        )  # fmt: skip
        for line, payload in enumerate(rows, start=2):
            desk.execute(
                "insert into private.import_rows values (%s, %s, 1, %s, %s)",
                (number, line, payload["key"], Jsonb(payload)),
            )
        desk.execute(
            "select private.apply_ratings(i, 100, private.now()) from imports i where id = %s", (number,)
        )
        desk.execute("update imports set state = 'done', finished_at = now() where id = %s", (number,))
        return desk.execute(
            "select row_no, outcome from private.import_results where import_id = %s order by 1", (number,)
        ).fetchall()

    rows = [
        {
            "key": "a",
            "order_no": "R-1",
            "rating": 1,
            "text": "差",
            "rated_at": NOON.isoformat(),
            "agent": "小美",
        },
        {"key": "b", "order_no": "R-9", "level": "satisfied", "rated_at": NOON.isoformat()},
    ]
    assert load(rows, "one") == [(2, "accepted"), (3, "accepted")]
    assert load([rows[0], rows[1] | {"level": "dissatisfied"}], "two") == [(2, "unchanged"), (3, "updated")]
    assert desk.execute("select key, order_id, score from ratings order by key").fetchall() == [
        ("a", order, 1),
        ("b", None, 2),
    ]
    assert desk.execute(
        "select m.staff_no, n.params ->> 'count' from notifications n join members m on m.id = n.member_id where n.kind = 'low_ratings'"
    ).fetchall() == [("ops", "1")]
    assert [
        r["key"] if "key" in r else r["order_no"]
        for r in ask(desk, "ana", "rating_list", {"low": True})["rows"]
    ] == ["R-9", "R-1"]
    assert ask(desk, "far", "rating_list", {})["rows"] == []


def test_lists_page_by_key_and_refuse_nonsense(desk: Connection) -> None:
    numbers = [resolved(desk) for _ in range(3)]
    first = ask(desk, "ann", "survey_list", {"tab": "ask", "limit": 2})
    second = ask(desk, "ann", "survey_list", {"tab": "ask", "limit": 2, "after": first["next"]})
    assert [r["ticket_id"] for r in first["rows"] + second["rows"]] == numbers
    assert (second["next"], first["counts"]) == (None, {"ask": 3, "low": 0})
    score(desk, "lea", numbers[0], 4)
    answered = ask(desk, "ana", "survey_list", {"tab": "answers"})["rows"]
    assert [(r["ticket_id"], r["answered_by"], r["handler"], r["is_own"]) for r in answered] == [
        (numbers[0], "lea", "ann", False)
    ]
    for wrong in (
        {"after": {"id": "x"}},
        {"limit": "many"},
        {"shop_id": "1 or true"},
        {"after": {"id": 1, "at": "then"}},
    ):
        for name in ("survey_list", "rating_list", "review_list"):
            with refusal("PT422", "filter.bad"):
                ask(desk, "ann", name, wrong)
    for name in ("survey_list", "rating_list", "review_list"):
        with refusal("PT403", "member.role"):
            ask(desk, "whs", name, {})
