"""The public survey through the app's own route and the real gateway: one answer, nothing personal."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from uuid import uuid4

import psycopg
import pytest
from starlette.applications import Starlette
from starlette.routing import Route

import app
from backend import db, survey_page
from backend.config import Settings
from backend.errors import AppError
from backend.local.stack import Stack
from backend.tickets import surveys
from pages.shared import session
from tests.people import Account, add_shop, settings_of, sign_up

with warnings.catch_warnings():  # Starlette would rather have another client than the one Supabase brings
    warnings.simplefilter("ignore")
    from starlette.testclient import TestClient


@pytest.fixture(scope="module")
def settings(stack: Stack) -> Settings:
    return settings_of(stack)


@pytest.fixture(scope="module")
def ann(stack: Stack) -> Account:
    return sign_up(stack, "agent", shops=[add_shop(stack, "survey-own", platform="own")])


@pytest.fixture
def customer(stack: Stack, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[TestClient]:
    """A browser that knows nothing but a link; the brake of other tests is off."""
    monkeypatch.setattr(session, "connection", lambda: settings)
    with psycopg.connect(stack.db_url) as owner:
        owner.execute("delete from private.survey_visits")
    routes = [
        Route("/survey/{token}", app.open_survey, methods=["GET"]),
        Route("/survey/{token}", app.answer_survey, methods=["POST"]),
    ]
    with TestClient(Starlette(routes=routes)) as client:
        yield client


def case(stack: Stack, ann: Account) -> int:
    """A resolved case of the shop; answers the id of its survey."""
    with psycopg.connect(stack.db_url) as owner:
        row = owner.execute(
            """insert into tickets (shop_id, type, state, owner_id, channel, outcome, resolved_at,
                   registered_at, summary)
               select id, 'repair', 'resolved', %s, 'wecom', 'repaired', private.now(), private.now(),
                   '张先生的台灯' from shops where code = 'survey-own' returning id""",
            (ann.member_id,),
        ).fetchone()
        assert row is not None
        owner.execute("select private.after_resolve(t, private.now()) from tickets t where id = %s", row)
        found = owner.execute("select id from surveys where ticket_id = %s", row).fetchone()
    assert found is not None
    return int(found[0])


def make_link(settings: Settings, ann: Account, survey: int) -> str:
    client = db.user_client(settings, ann.session.access_token)
    return surveys.link(client, survey, public_url="", request_id=uuid4())


def stored(stack: Stack, survey: int) -> tuple[object, ...]:
    """State, score, comment and typist of a survey, and the state of its case."""
    with psycopg.connect(stack.db_url) as owner:
        row = owner.execute(
            """select s.state, s.score, s.comment, s.answered_by, t.state
               from surveys s join tickets t on t.id = s.ticket_id where s.id = %s""",
            (survey,),
        ).fetchone()
    assert row is not None
    return row


def test_a_customer_answers_once(
    stack: Stack, settings: Settings, ann: Account, customer: TestClient
) -> None:
    survey = case(stack, ann)
    path = make_link(settings, ann, survey)
    opened = customer.get(path)
    assert opened.status_code == 200
    assert 'lang="zh-CN"' in opened.text
    for secret in ("张先生", f"T-{survey}", ann.name, "script"):
        assert secret not in opened.text
    assert {name: opened.headers[name] for name in survey_page.HEADERS} == survey_page.HEADERS
    assert "set-cookie" not in opened.headers
    assert 'lang="en"' in customer.get(path, headers={"accept-language": "en-GB,en;q=0.9"}).text

    missing = customer.post(path, data={"comment": "<script>alert(1)</script>"})
    assert missing.status_code == 422
    assert "&lt;script&gt;" in missing.text
    assert "<script" not in missing.text
    odd = customer.post(path, data={f"field{n}": "1" for n in range(9)} | {"score": "5"})
    assert odd.status_code == 422  # more than the form has: nothing usable
    assert stored(stack, survey) == ("asked", None, None, None, "revisit")

    thanks = customer.post(path, data={"score": "2", "comment": "又坏了，打 13812345678"})
    assert thanks.status_code == 200
    assert stored(stack, survey) == ("answered", 2, "又坏了，打 138****5678", None, "review")
    assert customer.post(path, data={"score": "5"}).status_code == 410
    assert customer.get(path).status_code == 410
    assert stored(stack, survey)[1] == 2


def test_what_is_no_link_leads_nowhere(
    stack: Stack, settings: Settings, ann: Account, customer: TestClient
) -> None:
    survey = case(stack, ann)
    first = make_link(settings, ann, survey)
    second = make_link(settings, ann, survey)
    assert customer.get(first).status_code == 404  # the newer link is the only one
    assert customer.get("/survey/" + "A" * 43).status_code == 404
    assert customer.get("/survey/%27%20or%201%3D1").status_code == 404
    assert (
        customer.post(second, content=b"score=5&comment=" + b"x" * survey_page.MOST_BODY).status_code == 413
    )
    assert stored(stack, survey)[:2] == ("asked", None)

    answers = [customer.post("/survey/" + "B" * 43, data={"score": "5"}).status_code for _ in range(30)]
    assert answers.count(404) < 30
    assert answers[-1] == 429
    assert customer.post(second, data={"score": "5"}).status_code == 429
    assert stored(stack, survey)[:2] == ("asked", None)


def test_the_table_and_the_functions_are_out_of_reach(stack: Stack, settings: Settings, ann: Account) -> None:
    token = make_link(settings, ann, case(stack, ann)).rpartition("/")[2]
    strangers = (db.auth_client(settings), db.user_client(settings, ann.session.access_token))
    for client in strangers:
        for name, more in (("survey_open", {}), ("survey_answer", {"p_score": 5, "p_comment": ""})):
            with pytest.raises(AppError) as caught:
                db.rpc(client, name, p_token=surveys.token_hash(token), p_caller="x", **more)
            assert caught.value.status in (401, 403, 404)
    with psycopg.connect(stack.db_url) as owner:
        hashes = owner.execute("select token_hash from private.survey_tokens").fetchall()
    assert token not in {row[0] for row in hashes}


def test_a_desk_that_is_away_says_so(
    customer: TestClient, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> None:
        raise AppError("service.unreachable", status=503)

    monkeypatch.setattr(surveys, "opened", away)
    answer = customer.get("/survey/" + "A" * 43)
    assert answer.status_code == 503
    assert "链接仍然有效" in answer.text
