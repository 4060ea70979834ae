"""A landing page's form through the edge function into the database, and opened by its owner alone."""

from __future__ import annotations

import json
import uuid
from typing import Any

import httpx
import psycopg

from backend import db
from backend.leads import commands, reads
from backend.leads.models import LeadRef
from backend.local.stack import Stack
from backend.pii import Keyring
from tests.people import add_shop, hire, settings_of

FIELDS = {"name": "李小明", "phone": "138 1234 5678", "needs": "办公设备", "message": "要二十台"}


def _form(stack: Stack, code: str, **more: Any) -> tuple[str, Any, Any]:
    """A form of a new shop: its token, the manager's client, and the manager."""
    add_shop(stack, code)
    manager = hire(stack, "manager", shops=[code])
    client = db.user_client(settings_of(stack), manager.session.access_token)
    with psycopg.connect(stack.db_url) as owner:
        shop_id = owner.execute("select id from shops where code = %s", (code,)).fetchall()[0][0]
    token, digest = commands.new_form_token()
    form = {"shop_id": shop_id, "name": "双十一页", "token_hash": digest, "needs": ["样品"]} | more
    commands.save_form(client, None, None, form, request_id=uuid.uuid4())
    return token, client, manager


def test_a_submission_becomes_one_lead_that_names_nobody_in_the_database(stack: Stack) -> None:
    token, client, manager = _form(stack, "landing")
    with psycopg.connect(stack.db_url) as owner:
        shop_id = owner.execute("select id from shops where code = 'landing'").fetchall()[0][0]
    url = f"{stack.api_url}/functions/v1/lead-intake"
    answers = [httpx.post(url, data={"token": token, **FIELDS}, timeout=30) for _ in range(2)]
    assert [(answer.status_code, answer.json()) for answer in answers] == [(200, {"ok": True})] * 2
    assert httpx.post(url, json={"token": "other", **FIELDS}, timeout=30).status_code == 404
    assert httpx.post(url, json={"token": token, "website": "x", **FIELDS}, timeout=30).status_code == 200
    with psycopg.connect(stack.db_url) as owner:
        found = owner.execute(
            "select id, version, name_masked, phone_masked, needs, via from leads where shop_id = %s",
            (shop_id,),
        ).fetchall()
        counted = owner.execute("select accepted, trapped from lead_forms where shop_id = %s", (shop_id,))
        assert counted.fetchall() == [(1, 1)]
    assert [row[2:] for row in found] == [("李**", "138****5678", ["办公设备"], "form")]
    lead, version = found[0][:2]
    keyring = Keyring.parse(settings_of(stack).pii_key)
    opened = reads.reveal(client, keyring, lead, reason="contact_customer")
    assert (opened.name, opened.phone, opened.note) == ("李小明", "138 1234 5678", "要二十台")
    commands.assign(client, [LeadRef(lead, version)], manager.member_id, request_id=uuid.uuid4())
    assert reads.screen(client, lead).is_mine


SECRETS = ("13812345678", "13987654321", "1381234", "李小明", "drop table")
ATTACKS: dict[str, tuple[Any, int]] = {
    "nested tags": ({"needs": [{"a": 1}]}, 400),
    "tags in a tree": ({"needs": {"a": ["b"]}}, 400),
    "a tree as a name": ({"name": {"$ne": ""}}, 400),
    "a list as a phone": ({"phone": ["13812345678"]}, 400),
    "JSON as a tag": ({"needs": ['{"a":1}']}, 422),
    "JSON in a text of tags": ({"needs": '[{"a":1}]'}, 422),
    "a phone as a tag": ({"needs": ["１３８１２３４５６７８"]}, 422),
    "SQL as a tag": ({"needs": ["'; drop table x; --"]}, 200),
    "SQL everywhere": (
        {"name": "'; drop table leads; --", "buyer_account": "' or 1=1 --", "message": "\\'; select 1"},
        200,
    ),
    "a phone as an account": ({"phone": "", "buyer_account": "+86 138 1234 5678"}, 200),
    "a number for a phone": ({"phone": 13987654321}, 200),
    "half signs": ({"name": "\ud83d" * 3 + "李", "buyer_account": "买" * 59 + "😀"}, 200),
    "no signs": ({"name": "\u0000李\u200b", "buyer_account": "a\u0000b", "needs": ["样\u0000品"]}, 200),
    "only signs nobody sees": ({"name": "\u0000", "buyer_account": "\u0000"}, 422),
    "nobody": ({"name": "", "phone": ""}, 422),
    "no way to reach him": ({"phone": ""}, 422),
    "a long text": ({"message": "长" * 2000}, 200),
    "too long": ({"message": "长" * 20_000}, 413),
    "many tags": ({"needs": [f"标签{n}" for n in range(400)]}, 200),
    "a token of another kind": ({"token": "' or ''='"}, 404),
    "no token": ({"token": ""}, 400),
    "a token in a list": ({"token": ["x"]}, 400),
    "a trap": ({"website": "http://spam.example"}, 200),
}
BODIES: dict[str, tuple[str, bytes, int]] = {
    "no form at all": ("application/json", b"\xff\xfe\x00", 400),
    "a list": ("application/json", b"[]", 400),
    "null": ("application/json", b"null", 400),
    "deep": ("application/json", b"[" * 8000 + b"]" * 8000, 400),
    "XML": ("application/xml", b"<lead><token>x</token></lead>", 400),
    "multipart": (
        "multipart/form-data; boundary=x",
        b"--x\r\ncontent-disposition: form-data; name=token\r\n\r\nt\r\n--x--",
        400,
    ),
    "nothing": ("", b"", 400),
    "a form in another encoding": ("application/x-www-form-urlencoded", "token=x&name=李".encode("gbk"), 404),
}  # fmt: skip


def test_what_is_thrown_at_a_form_breaks_nothing_and_leaves_no_number_behind(stack: Stack) -> None:
    token, _, _ = _form(stack, "attacked", per_minute=600, per_source_hour=100)
    url = f"{stack.api_url}/functions/v1/lead-intake"
    wrong = []
    with httpx.Client(timeout=30) as http:
        for name, (fields, status) in ATTACKS.items():
            body = {"token": token, "submission": f"attack-{name}", **FIELDS} | fields
            answer = http.post(
                url, content=json.dumps(body).encode(), headers={"content-type": "application/json"}
            )
            if answer.status_code != status or any(secret in answer.text for secret in SECRETS):
                wrong.append((name, answer.status_code, answer.text))
        for name, (kind, content, status) in BODIES.items():
            answer = http.post(url, content=content, headers={"content-type": kind})
            if answer.status_code != status:
                wrong.append((name, answer.status_code, answer.text))
        for method in ("GET", "PUT", "DELETE", "PATCH"):
            if (answer := http.request(method, url)).status_code != 405:
                wrong.append((method, answer.status_code, answer.text))
    assert wrong == []
    with psycopg.connect(stack.db_url) as owner:
        kept = owner.execute(
            """select coalesce(string_agg(t, chr(10)), '') from (
                 select l::text as t from leads l join shops s on s.id = l.shop_id where s.code = 'attacked'
                 union all select c::text from private.contacts c where c.kind = 'lead'
                 union all select a::text from audit_events a where a.entity like 'lead%%'
                 union all select h::text from private.intake_hits h
                 union all select f::text from lead_forms f) x"""
        ).fetchall()[0][0]
        made = "select count(*) from leads l join shops s on s.id = l.shop_id where s.code = 'attacked'"
        accepted = sum(status == 200 for _, status in ATTACKS.values()) - 1  # the trap is none
        assert owner.execute(made.encode()).fetchall() == [(accepted,)]
    logs = "\n".join(
        path.read_text("utf-8", "replace") for path in (stack.data_dir / "log").rglob("*") if path.is_file()
    )
    assert [secret for secret in SECRETS[:4] if secret in kept + logs] == []


def test_a_sender_and_a_form_have_their_limits_and_a_replay_is_no_second_lead(stack: Stack) -> None:
    token, _, _ = _form(stack, "limited", per_minute=600, per_source_hour=4)
    url = f"{stack.api_url}/functions/v1/lead-intake"
    same = {"token": token, "submission": "one", **FIELDS}
    answers = [httpx.post(url, json=same | {"name": name}, timeout=30) for name in ("李", "王", "张", "赵")]
    assert [answer.status_code for answer in answers] == [200] * 4
    fifth = httpx.post(url, json=same | {"submission": "two"}, timeout=30)
    assert (fifth.status_code, fifth.headers["retry-after"]) == (429, "3600")
    with psycopg.connect(stack.db_url) as owner:
        query = "select l.name_masked from leads l join shops s on s.id = l.shop_id where s.code = 'limited'"
        assert owner.execute(query).fetchall() == [("**",)]
