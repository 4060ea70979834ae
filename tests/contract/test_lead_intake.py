"""Leads over HTTP: a landing page's form, claims of many at once, and whose contact nobody else opens."""

from __future__ import annotations

import json
import uuid
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import psycopg

from backend import db
from backend.errors import AppError
from backend.leads import commands, reads
from backend.leads.models import Draft, LeadRef
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


# --- claims, and contacts, over the API ---


def _shop_id(stack: Stack, code: str) -> int:
    with psycopg.connect(stack.db_url) as owner:
        return int(owner.execute("select id from shops where code = %s", (code,)).fetchall()[0][0])


def _captured(client: Any, stack: Stack, code: str, count: int, *, keep: bool = False) -> list[int]:
    keyring = Keyring.parse(settings_of(stack).pii_key)
    drafts = [
        Draft(
            name="李小明",
            phone=f"1381234{n:04d}",
            buyer_account=f"dear_{code}_{n}",
            needs=("样品",),
            source="live",
        )
        for n in range(count)
    ]
    made = commands.capture(
        client, keyring, _shop_id(stack, code), drafts, request_id=uuid.uuid4(), keep=keep
    )
    assert made.refused == ()
    return [lead.id for lead in made.leads]


def _refused(call: Callable[[], Any]) -> str:
    """The key of a refusal; `done` when there was none."""
    try:
        call()
    except AppError as error:
        return error.key
    return "done"


def test_of_a_hundred_claims_over_http_one_wins_and_nobody_exceeds_the_day(stack: Stack) -> None:
    for code in ("rush", "away"):
        add_shop(stack, code)
    sellers = [hire(stack, "agent", skills=["presales"], shops=["rush"]) for _ in range(4)]
    clients = [db.user_client(settings_of(stack), one.session.access_token) for one in sellers]
    manager = hire(stack, "manager", shops=["rush"])
    leader = db.user_client(settings_of(stack), manager.session.access_token)
    rules = {"is_handed_out": False, "claim_limit": 7}
    commands.save_rules(leader, _shop_id(stack, "rush"), 0, rules, request_id=uuid.uuid4())
    wanted, *rest = _captured(leader, stack, "rush", 41)

    def claim(number: int, lead: int) -> str:
        return _refused(lambda: commands.claim(clients[number % 4], lead, request_id=uuid.uuid4()))

    with ThreadPoolExecutor(20) as pool:
        answers = Counter(pool.map(claim, range(100), [wanted] * 100))
        every = Counter(pool.map(claim, range(120), rest * 3))
    assert answers == {"done": 1, "lead.taken": 99}
    assert set(every) <= {"done", "lead.taken", "lead.claim_limit"}
    had = (
        "select m.id, count(*) from leads l join members m on m.id = l.owner_id"
        " where l.id = any (%s) group by 1"
    )
    counts = "select sum(claims), max(claims) from private.lead_claims where member_id = any (%s)"
    with psycopg.connect(stack.db_url) as owner:
        owned = dict(owner.execute(had, ([wanted, *rest],)).fetchall())
        counted = owner.execute(counts, ([one.member_id for one in sellers],)).fetchall()
    assert (every["done"], owned) == (27, {one.member_id: 7 for one in sellers})
    assert counted == [(28, 7)]
    stranger = hire(stack, "agent", skills=["presales"], shops=["away"])
    elsewhere = db.user_client(settings_of(stack), stranger.session.access_token)
    assert _refused(lambda: commands.claim(elsewhere, rest[0], request_id=uuid.uuid4())) == "lead.none"
    stale = LeadRef(wanted, 1)
    assert _refused(lambda: commands.take_over(leader, stale, request_id=uuid.uuid4())) == "lead.stale"
    with psycopg.connect(stack.db_url) as owner:
        assert dict(owner.execute(had, ([wanted, *rest],)).fetchall()) == owned


PATHS = (
    "leads?select=id,name_masked,phone_masked,buyer_masked&id=eq.{id}",
    "leads?select=buyer_account&id=eq.{id}",
    "leads?select=contact_id&id=eq.{id}",
    "leads?select=*&id=eq.{id}",
    "leads?select=id&buyer_account=eq.dear_kept_0",
    "leads?select=id&contact_id=not.is.null",
    "leads?select=id&order=buyer_account",
    "leads?select=id,contacts(*)&id=eq.{id}",
    "contacts?select=*",
    "follow_ups?select=*,leads(buyer_account,contact_id)",
    "lead_owners?select=*,leads(id,phone_masked)&lead_id=eq.{id}",
    "members?select=id,leads!leads_owner_id_fkey(id,phone_masked,name_masked)",
    "shops?select=id,leads(id,phone_masked,name_masked)",
    "sla_clocks?select=*&entity=eq.lead&entity_id=eq.{id}",
    "audit_events?select=*&entity=eq.lead&entity_id=eq.{id}",
)
CALLS: dict[str, dict[str, Any]] = {
    "lead_board": {"p": {"scope": "all"}},
    "lead_screen": {"p_id": "{id}"},
    "export_leads": {"p": {"scope": "all"}, "p_after": 0},
    "lead_cases": {"p": {"buyer_account": "dear_kept_0"}},
    "search_desk": {"p": {"lead_nos": ["{id}"], "buyers": ["dear_kept_0"]}},
    "reveal_contact": {"p_entity": "lead", "p_id": "{id}", "p_reason": "audit"},
    "merge_list": {},
    "promise_list": {"p": {"tab": "all"}},
    "export_promises": {"p": {}},
    "preview_leads": {"p_action": "tag", "p_items": [{"id": "{id}", "version": 1}], "p": {"tag": "x"}},
}


def test_a_colleagues_contact_comes_by_no_address_of_the_api_and_a_managers_look_is_recorded(
    stack: Stack,
) -> None:
    add_shop(stack, "kept")
    owner_of_it, colleague, manager = (
        hire(stack, role, skills=["presales"] if role == "agent" else [], shops=["kept"])
        for role in ("agent", "agent", "manager")
    )
    own = db.user_client(settings_of(stack), owner_of_it.session.access_token)
    [lead] = _captured(own, stack, "kept", 1, keep=True)
    keyring = Keyring.parse(settings_of(stack).pii_key)
    with psycopg.connect(stack.db_url) as conn:
        query = """select c.phone_cipher, c.phone_hash from leads l
            join private.contacts c on c.id = l.contact_id where l.id = %s"""
        cipher = conn.execute(query, (lead,)).fetchall()[0]
    secrets = ("13812340000", "138****0000", "李**", "dear_kept_0", *cipher)
    headers = {
        "apikey": stack.secrets.publishable_key,
        "authorization": f"Bearer {colleague.session.access_token}",
    }
    told = {}
    with httpx.Client(base_url=f"{stack.api_url}/rest/v1/", headers=headers, timeout=30) as http:
        for path in PATHS:
            told[path] = http.get(path.format(id=lead))
        for name, params in CALLS.items():
            body = json.dumps(params).replace('"{id}"', str(lead))
            told[name] = http.post(f"rpc/{name}", content=body, headers={"content-type": "application/json"})
    leaks = [
        (where, secret)
        for where, answer in told.items()
        for secret in secrets
        if secret in answer.text and not (where == "lead_cases" and secret == "dear_kept_0")
    ]
    assert leaks == []
    assert {where: answer.status_code for where, answer in told.items() if answer.status_code >= 500} == {}
    assert told["reveal_contact"].json()["message"] == "lead.contact_hidden"
    leader = db.user_client(settings_of(stack), manager.session.access_token)
    assert _refused(lambda: reads.reveal(leader, keyring, lead)) == "reveal.reason"
    assert reads.reveal(leader, keyring, lead, reason="audit").phone == "13812340000"
    with psycopg.connect(stack.db_url) as conn:
        seen = """select member_id, detail from audit_events
            where entity = 'lead' and entity_id = %s and action = 'contact_revealed'"""
        assert conn.execute(seen, (lead,)).fetchall() == [
            (manager.member_id, {"claimed": False, "reason": "audit"})
        ]
