"""Doctor: each check finds what is wrong, names a fix, and is silent when nothing is."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest

from backend import cli, config, doctor, errors
from backend.cli import doctor as command
from backend.config import ConfigError, Settings
from backend.doctor import Finding
from backend.errors import AppError
from backend.local.secrets import write_private
from backend.local.stack import Stack
from backend.pii import Keyring, generate_key
from tests.conftest import Installation
from tests.people import settings_of
from tests.sql.importing import Connection, Rpc, add_shop, connected, one, undone

VECTORS = Path(__file__).parents[1] / "data" / "pii_vectors.json"


@pytest.fixture
def conn(sql_url: str) -> Iterator[Connection]:
    """A database without test clock, as long as the test lasts."""
    with undone(sql_url) as connection:
        connection.execute("drop table private.test_clock")
        connection.execute(
            "create or replace function private.now() returns timestamptz language sql stable"
            " set search_path = '' as $$ select pg_catalog.now() $$"
        )
        yield connection


def keys(findings: Any) -> list[str]:
    return [finding.key for finding in findings]


def facts(conn: Connection) -> dict[str, Any]:
    found = doctor.schema_facts(Rpc(conn))
    assert isinstance(found, dict)
    return found


def seen(conn: Connection) -> set[str]:
    """What is found in the database itself."""
    known = facts(conn)
    return set(keys([*doctor.schema(known), *doctor.rights(known), *doctor.work(known, serves=True)]))


def test_a_fresh_database_is_healthy(conn: Connection) -> None:
    conn.execute(
        "insert into holiday_years (year, holidays, makeup_workdays)"
        " select extract(year from now())::integer + n, '{}', '{}' from generate_series(0, 1) n"
        " on conflict do nothing"
    )
    conn.execute("delete from private.jobs")
    assert seen(conn) == set()
    assert len(doctor.functions()) > 300
    assert set(doctor.functions()) == set(facts(conn)["functions"])


SPOILED = {
    "schema_other": "drop function public.home_seen()",
    "test_clock": "create table private.test_clock (at timestamptz primary key);"
    "alter table private.test_clock enable row level security",
    "program_old": "insert into private.settings values ('checks_version', '99')",
    "rule_kinds_missing": "delete from exception_rules where kind = 'suspicious'",
    "policies_missing": "update sla_policies set code = 'other' where code = 'order_review'",
    "calendars_missing": "update calendars set code = 'other' where code = 'all'",
    "tables_without_rls": "alter table orders disable row level security",
    "writable": "grant update (amount) on orders to authenticated",
    "readable_by_anon": "grant select on shops to anon",
    "open_functions": "grant execute on function public.schema_facts() to public",
    "jobs_dead": """insert into private.jobs (kind, dedupe_key, state, run_at, created_at, finished_at)
        values ('retention', 'x', 'dead', now(), now(), now())""",
    "nobody_works": "update private.jobs set run_at = now() - interval '11 minutes'",
    "imports_stuck": """insert into imports
            (kind, stock_pool_id, file_name, file_hash, actor, started_at, touched_at)
        select 'products', id, 'a.csv', '', 'x', now(), now() - interval '46 minutes' from stock_pools""",
    "holidays_missing": "delete from holiday_years",
    "orders_unchecked": """insert into orders
            (shop_id, order_no, platform_status, status, facts_hash, content_hash)
        select id, '1', 'x', 'to_ship', 'f', 'c' from shops limit 1""",
}


@pytest.mark.parametrize("key", SPOILED)
def test_what_is_spoiled_is_found(conn: Connection, key: str) -> None:
    add_shop(conn)
    before = seen(conn)
    assert key not in before - {"holidays_missing"}
    conn.execute(SPOILED[key].encode())
    assert key in seen(conn)


def test_work_is_late_only_while_the_desk_runs(conn: Connection) -> None:
    conn.execute(SPOILED["nobody_works"].encode())
    assert "nobody_works" not in keys(doctor.work(facts(conn), serves=False))


def test_a_changed_body_is_another_schema(conn: Connection) -> None:
    conn.execute(
        "create or replace function private.sha256(p_text text) returns text language sql immutable strict"
        " set search_path = '' as $$ select p_text $$"
    )
    found = [finding for finding in doctor.schema(facts(conn)) if finding.key == "schema_other"]
    assert found[0].params == {"count": 1, "names": "private.sha256"}


class Refusing:
    def __init__(self, problem: AppError) -> None:
        self.problem = problem

    def __call__(self, name: str) -> Any:
        raise self.problem


@pytest.mark.parametrize(
    ("problem", "key"),
    [
        (AppError("access.denied", status=403), "secret_refused"),
        (AppError("error.unexpected", status=500, params={"code": "PGRST202"}), "schema_missing"),
        (AppError("error.unexpected", status=500, params={"code": "22023"}), "schema_failing"),
    ],
)
def test_a_database_that_does_not_answer(problem: AppError, key: str) -> None:
    found = doctor.schema_facts(Refusing(problem))
    assert isinstance(found, Finding)
    assert found.key == key


# Key of the personal data ---------------------------------------------------------------------------------


def test_the_published_examples_are_refused() -> None:
    ring = json.loads(VECTORS.read_text("utf-8"))["keyring"]
    assert keys(doctor.key_form(ring)) == ["pii_key_published"] * 2
    assert keys(doctor.key_form("A" * 43)) == ["pii_key_published"]
    assert keys(doctor.key_form("too short")) == ["pii_key_form"]
    assert keys(doctor.key_form(f"{generate_key()},old:{generate_key()}")) == []
    assert len(doctor.PUBLISHED_KEYS) == 2
    assert hashlib.sha256(bytes(range(32))).hexdigest() in doctor.PUBLISHED_KEYS


def test_the_key_must_open_what_is_stored(conn: Connection) -> None:
    current, older, foreign = generate_key(), generate_key(), generate_key()
    writer = Keyring.parse(older)
    for number in (1, 2):
        conn.execute(
            "insert into private.contacts (id, kind, phone_cipher) values (%s, 'order', %s)",
            (number, writer.encrypt("contacts", "phone", number, "13800000000")),
        )
    found = {
        text: keys(doctor.key_opens(Rpc(conn), Keyring.parse(text)))
        for text in (older, f"{current},{older}", foreign)
    }
    assert list(found.values()) == [[], ["rekey_due"], ["pii_key_wrong"]]


def test_a_key_of_the_right_name_that_does_not_fit_is_found(conn: Connection) -> None:
    sealed = Keyring.parse(f"k:{generate_key()}").encrypt("contacts", "phone", 1, "13800000000")
    conn.execute("insert into private.contacts (id, kind, phone_cipher) values (1, 'order', %s)", (sealed,))
    other = Keyring.parse(f"k:{generate_key()}")
    assert keys(doctor.key_opens(Rpc(conn), other)) == ["pii_key_wrong"]


# Settings and folder --------------------------------------------------------------------------------------


def test_missing_settings_are_named_with_a_value_where_one_can_be_made(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SUPABASE_URL", "https://project.supabase.co")
    assert cli.main(["doctor", "--json"]) == 1
    said = json.loads(capsys.readouterr().out)
    assert [finding["check"] for finding in said["findings"]] == [
        *("setting_missing_supabase", "setting_missing_supabase", "setting_missing", "setting_missing")
    ]
    fix = said["findings"][3]["fix"]
    made = fix.split("DESK_PII_KEY=")[1].split(".")[0]
    assert Keyring.parse(made).current_id
    assert keys(doctor.settings_refused(ConfigError("PORT must be a number"))) == ["setting_wrong"]


def test_the_data_folder_is_for_its_owner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_private(tmp_path / "secrets.json", {})
    tmp_path.chmod(0o711)  # the account of the database passes through
    assert keys(doctor.folder(tmp_path)) == []
    tmp_path.chmod(0o750)
    (tmp_path / "secrets.json").chmod(0o640)
    monkeypatch.setattr(doctor, "LOW_DISK", 1 << 62)
    assert keys(doctor.folder(tmp_path)) == ["folder_open", "secrets_open", "disk_low"]


# The API --------------------------------------------------------------------------------------------------


class _Careless(BaseHTTPRequestHandler):
    """A gateway that forgot to look at the key; `status` answers the question after its health."""

    status: ClassVar[int] = 200

    def _answer(self) -> None:
        self.send_response(self.status if "health" in self.path else 200)
        self.send_header("content-type", "application/json")
        self.end_headers()
        self.wfile.write(b'[{"id": 1}]')

    do_GET = do_POST = _answer  # noqa: N815

    def log_message(self, *_: Any) -> None: ...


@contextmanager
def careless(status: int) -> Iterator[str]:
    handler = type("Handler", (_Careless,), {"status": status})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def at(url: str) -> Settings:
    return config.load().with_connection(
        supabase_url=url,
        publishable_key="sb_publishable_x",
        secret_key="sb_secret_x",
        cookie_secret="",
        pii_key="",
    )


class _Settings(BaseHTTPRequestHandler):
    """A project that answers its sign-up settings and refuses everything else."""

    said: ClassVar[dict[str, Any]] = {}

    def do_GET(self) -> None:
        self.send_response(200 if self.path.startswith("/auth") else 401)
        self.send_header("content-type", "application/json")
        self.end_headers()
        self.wfile.write(json.dumps(self.said).encode())

    def do_POST(self) -> None:
        self.send_response(401)
        self.end_headers()

    def log_message(self, *_: Any) -> None: ...


@pytest.mark.parametrize(
    ("said", "found"),
    [
        ({"mailer_autoconfirm": False, "disable_signup": False}, ["email_confirmation"]),
        ({"mailer_autoconfirm": True, "disable_signup": True}, ["sign_up_closed"]),
        ({"mailer_autoconfirm": True, "disable_signup": False}, []),
    ],
)
def test_a_project_that_would_open_no_account_is_found(said: dict[str, Any], found: list[str]) -> None:
    handler = type("Handler", (_Settings,), {"said": said})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        hosted = replace(at(f"http://127.0.0.1:{server.server_port}"), hosted=True)
        assert keys(doctor.api(hosted)) == found
        server.shutdown()
        thread.join()


def test_an_only_admin_is_told_the_way_back(conn: Connection) -> None:
    conn.execute(
        "insert into members (display_name, staff_no, role, state) values ('管', 'A001', 'admin', 'invited')"
    )
    settings = at("http://127.0.0.1:9")
    (note,) = doctor.people(settings, facts(conn))
    assert (note.key, note.is_problem) == ("one_admin", False)
    assert "--recover A001" in note.fix("en")
    conn.execute(
        "insert into members (display_name, staff_no, role, state) values ('二', 'A002', 'admin', 'invited')"
    )
    assert keys(doctor.people(settings, facts(conn))) == []


@pytest.mark.parametrize(("status", "key"), [(401, "publishable_refused"), (500, "api_failing")])
def test_a_careless_gateway_is_found(status: int, key: str) -> None:
    with careless(status) as url:
        assert keys(doctor.api(at(url))) == [key, "keyless_allowed", "anon_allowed"]


def test_an_api_that_is_not_there_is_said_once() -> None:
    assert keys(doctor.examine(at("http://127.0.0.1:9"), serves=True)) == ["pii_key_form", "api_unreachable"]


def test_the_real_gateway_passes_and_wrong_keys_do_not(stack: Stack) -> None:
    settings = settings_of(stack)
    assert keys(doctor.api(settings)) == []
    wrong = replace(settings, secret_key=settings.publishable_key)
    assert "secret_refused" in keys(doctor.examine(wrong, serves=False))
    stranger = replace(settings, publishable_key="sb_publishable_stranger")
    assert keys(doctor.api(stranger)) == ["publishable_refused"]


# The whole command ----------------------------------------------------------------------------------------


def test_a_new_installation_is_healthy_and_offers_its_code(
    tmp_path: Path, installation: Installation, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["doctor", "--data", str(tmp_path), "--json"]) == 1
    assert [f["check"] for f in json.loads(capsys.readouterr().out)["findings"]] == ["no_installation"]
    folder = installation("doctor")
    with Stack(folder, fsync=False) as stack:
        with connected(stack.db_url) as owner:
            years = "select extract(year from now())::integer + n from generate_series(0, 1) n"
            owner.execute(
                "insert into holiday_years (year, holidays, makeup_workdays)"
                f" select n, '{{}}', '{{}}' from ({years}) y (n) on conflict do nothing"
            )
        assert cli.main(["doctor", "--data", str(folder), "--json"]) == 0
        said = json.loads(capsys.readouterr().out)
        assert (said["ok"], [f["check"] for f in said["findings"]]) == (True, ["nobody_yet"])
        with connected(stack.db_url) as owner:
            assert one(owner, "select count(*) from private.settings where key = 'first_admin_code'") == 1
            owner.execute(
                "insert into members (display_name, staff_no, role) values ('甲', 'w1', 'warehouse')"
            )
        assert cli.main(["doctor", "--data", str(folder), "--lang", "zh-CN"]) == 1
        told = capsys.readouterr().out
        assert "没有在用的管理员账号" in told
        assert "w1" in told


def test_every_finding_has_its_sentences_and_its_fix() -> None:
    source = Path(doctor.__file__).read_text("utf-8") + Path(command.__file__).read_text("utf-8")
    named = {part.split('"')[1] for part in source.split("Finding(")[1:] if part.startswith('"')}
    named |= {f"{name}_missing" for name in ("rule_kinds", "policies", "calendars")}
    named |= {"tables_without_rls", "writable", "readable_by_anon", "open_functions"}
    assert len(named) > 30
    wanted = {f"doctor.{name}{end}" for name in named for end in ("", "_fix")}
    written = {key for key in errors.catalogue() if key.startswith("doctor.")}
    assert written - {"doctor.healthy", "doctor.line", "doctor.note"} == wanted
