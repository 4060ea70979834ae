"""The rights of the matrix through the real gateway: before its first request, after many, after a restart.

Tokens are signed here, so that the very first request a gateway sees is the one that is tried.
"""

from __future__ import annotations

import base64
import itertools
import json
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import jwt
import psycopg
import pytest

from backend import auth, db
from backend.errors import AppError
from backend.local.stack import Stack
from tests.conftest import Installation
from tests.people import PASSWORD, add_shop, invite, settings_of, sign_up
from tests.sql.rights import OUTSIDERS, PEOPLE, ROLES, RPCS, TABLES, expected, key_of, make_scene

HTTP = httpx.Client(timeout=10)
EVERYBODY = (*ROLES, *OUTSIDERS)
# Postgres knows every signed-in person as `authenticated`: where no row counts, few stand for all. SQL tries
# everybody on each table and each function.
KINDS = ("admin", "anon", "service_role")
CALLERS = ("analyst", "stranger", "anon", "service_role")
# One table for each way to be read: a gateway that takes one person for another does so on any table.
SOME_TABLES = {" ".join(cells.split()): table for table, cells in TABLES.items()}.values()


@pytest.fixture(scope="module")
def desk(installation: Installation) -> Iterator[Stack]:
    """A stack of this module's own with the scene of the matrix; nobody has sent it a request yet."""
    with Stack(installation("rights", test_clock=True), test_clock=True, fsync=False) as stack:
        with psycopg.connect(stack.db_url) as owner:
            make_scene(owner)
        yield stack


def claims(who: str, **changed: Any) -> dict[str, Any]:
    """What the access token of `who` says."""
    return {
        "sub": str(PEOPLE[who]),
        "role": "authenticated",
        "aud": "authenticated",
        "exp": int(time.time()) + 600,
        **changed,
    }


def token(stack: Stack, who: str, **changed: Any) -> str:
    """A genuine access token of `who`; `changed` claims are signed as well."""
    return jwt.encode(claims(who, **changed), stack.secrets.jwt_secret, algorithm="HS256")


def headers(stack: Stack, who: str) -> dict[str, str]:
    """What the client of `who` sends."""
    if who in PEOPLE:
        return {"apikey": stack.publishable_key, "authorization": f"Bearer {token(stack, who)}"}
    return {"apikey": stack.secret_key if who == "service_role" else stack.publishable_key}


def client(stack: Stack, who: str) -> Any:
    """The supabase client of `who`, as the app builds it."""
    settings = settings_of(stack)
    if who in PEOPLE:
        return db.user_client(settings, token(stack, who))
    return db.make_client(settings.supabase_url, headers(stack, who)["apikey"])


# --- reading ---


@pytest.mark.parametrize("moment", ["before the first request", "after many requests", "after a restart"])
def test_everybody_reads_what_the_matrix_says(desk: Stack, moment: str) -> None:
    if moment == "after a restart":
        desk.restart_gateway()
    everywhere = KINDS if moment == "before the first request" else ()
    with psycopg.connect(desk.db_url) as owner:
        wanted = {
            (who, table): "denied" if cell == "denied" else expected(owner, table, cell)
            for table, cells in TABLES.items()
            for who, cell in zip(EVERYBODY, cells.split(), strict=True)
            if table in SOME_TABLES or who in everywhere
        }
    sent = {who: headers(desk, who) for who in EVERYBODY}
    found = {(who, table): visible(desk, sent[who], table) for who, table in wanted}
    assert {cell: found[cell] for cell in found if found[cell] != wanted[cell]} == {}


def visible(stack: Stack, sent: dict[str, str], table: str) -> str | set[Any]:
    """Keys of the rows that whoever sends these headers reads in `table`, or "denied"."""
    key = key_of(table)
    answer = HTTP.get(f"{stack.api_url}/rest/v1/{table}?select={key}", headers=sent)
    rows = answer.json()
    if answer.status_code != 200:
        return "denied" if rows["code"] == "42501" else str(answer.status_code)
    return {row[key] for row in rows if row[key] is not None}


@pytest.mark.parametrize("who", EVERYBODY)
def test_other_schemas_are_not_served(desk: Stack, who: str) -> None:
    for schema, table in (("private", "contacts"), ("private", "import_rows"), ("auth", "users")):
        answer = HTTP.get(
            f"{desk.api_url}/rest/v1/{table}?select=*",
            headers=headers(desk, who) | {"accept-profile": schema},
        )
        assert answer.status_code >= 400, f"{schema}.{table}: {answer.text[:80]}"


# --- writing ---


TABLE_NAMES = """
    select oid::regclass::text from pg_class where relkind = 'r' and relname <> 'test_clock'
    and relnamespace in ('public'::regnamespace, 'private'::regnamespace)"""
COLUMNS = """
    select c.relname, min(a.attname) from pg_class c join pg_attribute a on a.attrelid = c.oid
    where c.relnamespace = 'public'::regnamespace
        and a.attnum > 0 and a.attidentity = '' and a.attgenerated = '' group by 1"""
ARGUMENTS = """
    select proname, coalesce(proargnames[:pronargs], '{}'), proisstrict from pg_proc
    where pronamespace = 'public'::regnamespace"""


def content(stack: Stack) -> dict[str, str]:
    """A fingerprint of every table of the product."""
    digest = "select md5(string_agg(t::text, '|' order by t::text)) from {} t"
    with psycopg.connect(stack.db_url) as owner:
        names = [row[0] for row in owner.execute(TABLE_NAMES).fetchall()]
        return {name: str(owner.execute(digest.format(name).encode()).fetchone()) for name in names}


@pytest.fixture(scope="module")
def columns(desk: Stack) -> dict[str, str]:
    """An ordinary column of each table and view."""
    with psycopg.connect(desk.db_url) as owner:
        return dict(owner.execute(COLUMNS).fetchall())


@pytest.fixture(scope="module")
def views(desk: Stack) -> set[str]:
    """A view of several tables is refused before Postgres looks at rights, in other words."""
    with psycopg.connect(desk.db_url) as owner:
        return {row[0] for row in owner.execute("select viewname from pg_views where schemaname = 'public'")}


def test_nobody_writes_to_a_table(desk: Stack, columns: dict[str, str], views: set[str]) -> None:
    before = content(desk)
    served = []
    for who, table in itertools.product(KINDS, TABLES):
        sent = headers(desk, who)
        url, body = f"{desk.api_url}/rest/v1/{table}", {columns[table]: None}
        rows = f"{url}?{key_of(table)}=not.is.null"
        answers = (
            HTTP.post(url, json=body, headers=sent),
            HTTP.patch(rows, json=body, headers=sent),
            HTTP.delete(rows, headers=sent),
        )
        refusals = range(400, 600) if table in views else (401, 403)
        served += [(who, table, answer.text[:80]) for answer in answers if answer.status_code not in refusals]
    assert served == []
    assert content(desk) == before


def test_who_may_not_call_a_function_is_refused(desk: Stack) -> None:
    """Every function that the matrix forbids; the other roles are tried in Postgres."""
    before = content(desk)
    with psycopg.connect(desk.db_url) as owner:
        functions = owner.execute(ARGUMENTS).fetchall()
    served = []
    for who, (name, arguments, is_strict) in itertools.product(CALLERS, functions):
        if who not in allowed(name):
            # The planner answers a strict function of nulls by itself and asks for no right.
            body = dict.fromkeys(arguments, {} if is_strict else None)
            answer = HTTP.post(f"{desk.api_url}/rest/v1/rpc/{name}", json=body, headers=headers(desk, who))
            if answer.status_code not in (401, 403):
                served.append((who, name, answer.status_code, answer.text[:80]))
    assert served == []
    assert content(desk) == before


def allowed(name: str) -> set[str]:
    """Who may call a function."""
    entry = RPCS[name]
    readers = {"off", "invited", "stranger"} if entry.get("runs_as") == "reader" else set()
    return {*entry["roles"], *({"service_role"} & set(entry["granted"])), *readers}


# --- tokens ---


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unsigned(who: str) -> str:
    return (
        f"{b64(json.dumps({'alg': 'none', 'typ': 'JWT'}).encode())}.{b64(json.dumps(claims(who)).encode())}."
    )


FORGERIES: dict[str, Callable[[Stack], str]] = {
    "alg none": lambda stack: unsigned("admin"),
    "alg none with the signature of another": lambda stack: (
        unsigned("admin") + token(stack, "agent").rsplit(".", 1)[1]
    ),
    "cut signature": lambda stack: token(stack, "admin")[:-5],
    "no signature": lambda stack: token(stack, "admin").rsplit(".", 1)[0] + ".",
    "two parts": lambda stack: token(stack, "admin").rsplit(".", 1)[0],
    "another person's claims": lambda stack: (
        f"{token(stack, 'agent').split('.')[0]}.{b64(json.dumps(claims('admin')).encode())}."
        + token(stack, "agent").split(".")[2]
    ),
    "another secret": lambda stack: jwt.encode(claims("admin"), "x" * 40, algorithm="HS256"),
    "the publishable key as secret": lambda stack: jwt.encode(
        claims("admin"), stack.publishable_key.ljust(40, "x"), algorithm="HS256"
    ),
    "another algorithm": lambda stack: jwt.encode(
        claims("admin"), stack.secrets.jwt_secret.ljust(64, "x"), algorithm="HS512"
    ),
    "role postgres": lambda stack: token(stack, "admin", role="postgres"),
    "role service_role": lambda stack: token(stack, "admin", role="service_role"),
    "role as a list": lambda stack: token(stack, "admin", role=["authenticated", "service_role"]),
    "no role": lambda stack: token(stack, "admin", role=None),
    "expired": lambda stack: token(stack, "admin", exp=int(time.time()) - 1),
    "never expires": lambda stack: token(stack, "admin", exp=None),
    "expires as text": lambda stack: token(stack, "admin", exp="9999999999"),
    "not yet valid": lambda stack: token(stack, "admin", nbf=int(time.time()) + 600),
    "another audience": lambda stack: token(stack, "admin", aud="other"),
    "no person": lambda stack: token(stack, "admin", sub=None),
    "rubbish": lambda stack: "e30.e30.e30",
}


@pytest.mark.parametrize("forgery", FORGERIES)
def test_a_forged_token_is_no_session(desk: Stack, forgery: str) -> None:
    bad = FORGERIES[forgery](desk)
    for key in (desk.publishable_key, desk.secret_key):
        sent = {"apikey": key, "authorization": f"Bearer {bad}"}
        for path in ("rest/v1/members?select=id", "rest/v1/orders?select=id", "auth/v1/user"):
            assert HTTP.get(f"{desk.api_url}/{path}", headers=sent).status_code == 401
        call = HTTP.post(f"{desk.api_url}/rest/v1/rpc/my_profile", json={}, headers=sent)
        assert call.status_code == 401
    good = HTTP.get(f"{desk.api_url}/rest/v1/members?select=id", headers=headers(desk, "admin"))
    assert good.status_code == 200


def test_a_person_that_is_no_uuid_is_nobody(desk: Stack) -> None:
    sent = {"apikey": desk.publishable_key, "authorization": f"Bearer {token(desk, 'admin', sub='admin')}"}
    answer = HTTP.get(f"{desk.api_url}/rest/v1/members?select=id", headers=sent)
    assert answer.status_code >= 400 or answer.json() == []


def test_claims_about_oneself_change_nothing(desk: Stack) -> None:
    """Role and shops come from the members row, whatever a token or its metadata claims."""
    more = {
        "user_role": "admin",
        "user_metadata": {"role": "admin"},
        "app_metadata": {"role": "admin"},
        "is_admin": True,
    }
    claimed = token(desk, "agent", **more)
    assert db.rpc(db.user_client(settings_of(desk), claimed), "my_profile")["role"] == "agent"
    sent = {"apikey": desk.publishable_key, "authorization": f"Bearer {claimed}"}
    with psycopg.connect(desk.db_url) as owner:
        assert visible(desk, sent, "orders") == expected(owner, "orders", "shop")


# --- nobody raises himself, nobody writes as another ---


@pytest.mark.parametrize("who", [role for role in EVERYBODY if role != "admin"])
def test_nobody_raises_himself(desk: Stack, who: str) -> None:
    before = members(desk)
    asked = client(desk, who)
    me = before.get(f"R-{who}", {"id": 1, "version": 1})
    change = {"role": "admin", "approval_limit": 99999, "skills": ["review"], "shops": ["right-a", "right-b"]}
    person = {"display_name": "x", "staff_no": "R-new", "role": "admin", "token_hash": "a" * 64}
    attempts: dict[str, dict[str, Any]] = {
        "change_member": {"p_id": me["id"], "p_version": me["version"], "p_change": change},
        "switch_member": {
            "p_id": before["R-off"]["id"],
            "p_version": before["R-off"]["version"],
            "p_on": True,
        },
        "renew_invitation": {"p_id": before["R-admin"]["id"], "p_version": 1, "p_token_hash": "a" * 64},
        "set_duty_lead": {"p_id": me["id"], "p_until": "2026-11-22T12:00:00+08:00"},
    }
    if who != "service_role":  # the command line invites people; a person's key does not
        attempts["invite_members"] = {"p_people": [person]}
    for name, given in attempts.items():
        with pytest.raises(AppError) as refused:
            db.rpc(asked, name, **given, p_request_id=str(uuid.uuid4()))
        assert refused.value.status in (401, 403, 404), name
    assert members(desk) == before


def members(stack: Stack) -> dict[str, dict[str, Any]]:
    """Every members row with its shops, by staff number."""
    with psycopg.connect(stack.db_url) as owner:
        rows = owner.execute(
            """select staff_no, to_jsonb(m) || jsonb_build_object('shops', array(
                   select shop_id from member_shops where member_id = m.id order by 1)) from members m"""
        ).fetchall()
    return dict(rows)


def test_an_account_cannot_change_what_it_is(desk: Stack) -> None:
    """The account's own metadata, address and refreshed token: none of them makes more of a member."""
    add_shop(desk, "right-c")
    account = sign_up(desk, "agent", shops=["right-c"])
    sent = {"apikey": desk.publishable_key, "authorization": f"Bearer {account.session.access_token}"}
    wish = {
        "data": {"role": "admin"},
        "role": "service_role",
        "app_metadata": {"role": "admin"},
        "user_metadata": {"role": "admin"},
    }
    HTTP.put(f"{desk.api_url}/auth/v1/user", json=wish, headers=sent)
    fresh = auth.sign_in(settings_of(desk), account.staff_no, PASSWORD, source="s")
    for access in (account.session.access_token, fresh.access_token):
        assert jwt.decode(access, options={"verify_signature": False})["role"] == "authenticated"
        assert db.rpc(db.user_client(settings_of(desk), access), "my_profile")["role"] == "agent"
    assert members(desk)[account.staff_no]["role"] == "agent"


def test_nobody_signs_up_without_a_code_of_his_own(desk: Stack) -> None:
    """No token, a guessed one, a used one, and one with another person's address."""
    settings = settings_of(desk)
    used, _, code = invite(desk, "agent")
    auth.sign_up(settings, code, PASSWORD, own_device=False)
    _, _, open_code = invite(desk, "agent")
    _, _, other_code = invite(desk, "admin")
    address = auth.open_invitation(settings, open_code).auth_email
    before = accounts(desk)
    for data in (
        {},
        {"role": "admin"},
        *({"invitation_token": text} for text in ("x" * 43, code, other_code)),
    ):
        body = {"email": address, "password": PASSWORD, "data": data}
        answer = HTTP.post(
            f"{desk.api_url}/auth/v1/signup", json=body, headers={"apikey": desk.publishable_key}
        )
        assert answer.status_code >= 400
    for path in ("admin/users", "invite", "otp", "magiclink", "admin/generate_link"):
        body = {"email": "x@example.com", "password": PASSWORD, "email_confirm": True}
        answer = HTTP.post(f"{desk.api_url}/auth/v1/{path}", json=body, headers={"apikey": desk.secret_key})
        assert answer.status_code >= 400
    assert accounts(desk) == before
    assert used


def accounts(stack: Stack) -> set[Any]:
    """Every account and every member with its account."""
    with psycopg.connect(stack.admin_url) as admin:
        return {*admin.execute("select id::text from auth.users")} | {
            *admin.execute("select id, user_id::text, state from public.members")
        }


def test_nobody_writes_in_anothers_name(desk: Stack) -> None:
    """Who acted is who asked: another's name in the arguments is refused or ignored."""
    people = members(desk)
    asked, me = client(desk, "operations"), people["R-operations"]["id"]
    other = people["R-manager"]["id"]
    with pytest.raises(AppError):
        db.rpc(asked, "claim_next", p_member_id=other, p_request_id=str(uuid.uuid4()))
    with psycopg.connect(desk.db_url) as owner:
        assert owner.execute("select 1 from order_reviews where owner_id is not null").fetchone() is None
        row = owner.execute(
            """select e.id, e.version from order_exceptions e join orders o on o.id = e.order_id
               where o.order_no = 'RIGHT-right-a'"""
        ).fetchone()
        last = owner.execute("select max(id) from audit_events").fetchone()
    assert row is not None
    lie = {"id": row[0], "version": row[1], "decided_by": other, "member_id": other}
    decision = {"p_decision": "waiting_customer", "p_reason": "asked_chat", "p_request_id": str(uuid.uuid4())}
    assert db.rpc(asked, "decide_exceptions", p_items=[lie], **decision)["done"] == 1
    view = {"p_area": "orders", "p_name": "mine", "p_request_id": str(uuid.uuid4())}
    db.rpc(asked, "save_view", p_params={"member_id": other}, **view)
    with psycopg.connect(desk.db_url) as owner:
        told = owner.execute("select distinct member_id from audit_events where id > %s", last).fetchall()
        made = owner.execute("select member_id from saved_views where name = 'mine'").fetchall()
        undo = owner.execute(
            "select distinct member_id from action_batches where action <> 'test'"
        ).fetchall()
    assert told == made == undo == [(me,)]


# --- what must not ship ---

STOPPED = """
    insert into orders (shop_id, order_no, platform_status, status, facts_hash, content_hash,
        checked_facts_hash, checked_version, held_at, held_reason, refund)
    select id, 'STOP-' || %(why)s, '待发货', 'to_ship', 'f', 'c',
        case when %(why)s <> 'unchecked' then 'f' end, private.current_check_version(),
        case when %(why)s = 'held' then now() end, case when %(why)s = 'held' then 'fraud' end,
        case when %(why)s = 'refund' then 'requested' else 'none' end
    from shops where code = 'right-a' returning id, version"""
BLOCKED = """
    insert into order_exceptions (order_id, shop_id, kind, is_blocking, severity, fingerprint, detected_at)
    select id, shop_id, 'mismatch', true, 'normal', 'f', now() from orders where id = %s"""


@pytest.mark.parametrize("reason", ["blocked", "unchecked", "held", "refund"])
def test_what_must_not_ship_is_released_by_nobody(desk: Stack, reason: str) -> None:
    with psycopg.connect(desk.db_url) as owner:
        made = owner.execute(STOPPED, {"why": reason}).fetchone()
        assert made is not None
        if reason == "blocked":
            owner.execute(BLOCKED, (made[0],))
    items = [{"id": made[0], "version": made[1]}]
    told = {who: release(client(desk, who), items) for who in EVERYBODY}
    releasers = {"warehouse", "operations", "manager"}
    assert {who for who, key in told.items() if key == f"order.{reason}"} == releasers
    assert {key for who, key in told.items() if who not in releasers} <= {
        "member.role", "member.none", "access.denied",
    }  # fmt: skip
    with psycopg.connect(desk.db_url) as owner:
        row = owner.execute("select version, released_at, release_id from orders where id = %s", (made[0],))
        assert row.fetchone() == (made[1], None, None)
        with pytest.raises(psycopg.Error) as refused:  # not even the owner of the schema
            owner.execute("update orders set released_at = now(), release_id = 1 where id = %s", (made[0],))
    assert refused.value.diag.message_primary == f"order.{reason}"


def release(asked: Any, items: list[dict[str, Any]]) -> str:
    """The key with which a release is refused, "released" when it is not."""
    try:
        answer = db.rpc(asked, "release_orders", p_request_id=str(uuid.uuid4()), p_items=items)
    except AppError as refused:
        return refused.key
    return "released" if answer["done"] else str(answer["refused"][0]["key"])


# --- two people at once ---


def test_two_people_taking_turns_never_see_each_others_shop(desk: Stack) -> None:
    """Two hundred requests over shared connections, each answered with the shops of the one who asked."""
    with psycopg.connect(desk.db_url) as owner:
        far = uuid.UUID(int=0xFA)
        owner.execute(
            """with m as (insert into members (user_id, staff_no, display_name, role, state)
                 values (%s, 'R-far', '远', 'manager', 'active') returning id)
               insert into member_shops select m.id, s.id from m, shops s where s.code = 'right-b'""",
            (far,),
        )
    ours, theirs = (
        client(desk, "manager"),
        db.user_client(settings_of(desk), token(desk, "manager", sub=str(far))),
    )
    for _ in range(50):
        for asked, shop in ((ours, "right-a"), (theirs, "right-b")):
            rows = db.rows(asked.table("order_work").select("shop_name"))
            assert {row["shop_name"] for row in rows} == {f"店 {shop}"}
            assert [s["code"] for s in db.rpc(asked, "my_profile")["shops"]] == [shop]
