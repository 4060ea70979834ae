"""The embedded stack keeps its promises: who may in, what survives a crash, what is left after a stop."""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import jwt
import psutil
import psycopg
import pytest

from backend.cli import target
from backend.local import deno
from backend.local import stack as stack_module
from backend.local.account import database_account
from backend.local.dump import BackupError, backup, restore
from backend.local.stack import Stack, StackError, read_runtime
from backend.sql import build
from tests.conftest import Installation
from tests.support import wait_until

ROOT = Path(__file__).parents[2]
HTTP = httpx.Client(timeout=5)  # one for all: making a client costs more than a request
TABLES = """
    create table public.stack_probe (
        id bigint primary key, amount numeric(12, 2), at timestamptz, phone text
    );
    alter table public.stack_probe enable row level security;
    create policy stack_probe_read on public.stack_probe for select to authenticated using (true);
    create table private.stack_vault (id bigint primary key);
    alter table private.stack_vault enable row level security;
    insert into public.stack_probe values (1, 42.00, '2026-11-22 09:00:00.123456+08', 'hidden');
"""
GRANTS = """
    create function public.stack_refuses() returns void language plpgsql set search_path = '' as $$
    begin
        raise exception using errcode = 'PT409', message = 'order.stale', detail = '{"by": "5"}';
    end $$;
    create function public.stack_write(p_id bigint) returns bigint language sql security definer
    set search_path = '' as $$ insert into private.stack_vault values (p_id) returning id $$;
    grant select (id, amount, at) on public.stack_probe to authenticated;
    grant execute on function public.stack_refuses(), public.stack_write(bigint) to authenticated;
"""


@pytest.fixture(scope="module")
def probe(installation: Installation) -> Iterator[Stack]:
    """A stack of this module's own, with a table whose rights are written by column."""
    stack = Stack(installation("probe", test_clock=True), test_clock=True, fsync=False)
    stack.start_database()
    execute(stack.db_url, TABLES)
    execute(stack.admin_url, "delete from stack.applied where part = 'schema'")
    stack.apply_schema()  # a new table gets what the gateway needs, and loses all grants; a function would go
    execute(stack.db_url, GRANTS)
    with stack as running:
        yield running


def execute(url: str, statements: str) -> None:
    """Run SQL on a connection of its own."""
    with psycopg.connect(url, autocommit=True) as conn:
        conn.execute(statements.encode())


def person(stack: Stack, **changed: Any) -> dict[str, str]:
    """Headers of a signed-in person; `changed` claims are signed as well."""
    claims = {
        "sub": str(uuid.uuid4()),
        "role": "authenticated",
        "aud": "authenticated",
        "exp": time.time() + 600,
    }
    token = jwt.encode({**claims, **changed}, stack.secrets.jwt_secret, algorithm="HS256")
    return {"apikey": stack.publishable_key, "authorization": f"Bearer {token}"}


def read(stack: Stack, headers: dict[str, str], columns: str = "id,amount,at") -> httpx.Response:
    """Ask for the probe table."""
    return HTTP.get(f"{stack.api_url}/rest/v1/stack_probe?select={columns}", headers=headers)


def rights(stack: Stack) -> list[tuple[str, str, list[str]]]:
    """Every right of every relation, column, function and schema that is not the server's own."""
    with psycopg.connect(stack.admin_url) as admin:
        return admin.execute("""
            select kind, name, array(select r::text from unnest(acl) r order by 1) from (
                select 'schema', oid, nspname::text, nspacl from pg_namespace
                union all select 'relation', relnamespace, oid::regclass::text, relacl from pg_class
                union all select 'column', c.relnamespace, c.oid::regclass::text || '.' || a.attname, a.attacl
                    from pg_attribute a join pg_class c on c.oid = a.attrelid where a.attacl is not null
                union all select 'function', pronamespace, oid::regprocedure::text, proacl from pg_proc
            ) found (kind, space, name, acl)
            where space::regnamespace::text !~ '^(pg_|information_schema)'
            order by 1, 2""").fetchall()


def answers(stack: Stack) -> bool:
    """Whether a signed-in person's request is served."""
    try:
        return read(stack, person(stack)).status_code == 200
    except httpx.TransportError:
        return False


# --- rights ---


def test_a_restart_changes_nobodys_rights_and_the_first_request_is_served(probe: Stack) -> None:
    before = rights(probe)
    probe.restart_gateway()
    assert read(probe, person(probe)).status_code == 200
    assert read(probe, {"apikey": probe.secret_key}).status_code == 403
    assert rights(probe) == before


def test_the_gateway_refuses_to_serve_when_rights_would_change(probe: Stack) -> None:
    execute(probe.admin_url, "grant select on public.stack_probe to authenticator with grant option")
    try:
        with pytest.raises(Exception, match="gateway process ended with code 3"):
            probe.restart_gateway()
        log = (probe.data_dir / "log" / "gateway.log").read_text()
        assert "rights changed while the gateway warmed up" in log
    finally:
        execute(probe.admin_url, "revoke all on public.stack_probe from authenticator cascade")
        execute(probe.admin_url, "grant references on public.stack_probe to authenticator")
    wait_until(lambda: answers(probe))


def test_rights_by_column_hold(probe: Stack) -> None:
    row = read(probe, person(probe)).json()
    assert row == [{"id": 1, "amount": 42.00, "at": "2026-11-22T01:00:00.123456+00:00"}]
    refused = read(probe, person(probe), "phone")
    assert (refused.status_code, refused.json()["code"]) == (403, "42501")
    url = f"{probe.api_url}/rest/v1/stack_probe"
    assert HTTP.post(url, json={"id": 2}, headers=person(probe)).status_code == 403
    assert HTTP.delete(f"{url}?id=eq.1", headers=person(probe)).status_code == 403
    assert read(probe, person(probe)).json() == row


def test_a_strangers_request_reads_nothing(probe: Stack) -> None:
    assert read(probe, {"apikey": probe.publishable_key}).status_code in (401, 403)


def test_business_errors_arrive_whole(probe: Stack) -> None:
    answer = HTTP.post(f"{probe.api_url}/rest/v1/rpc/stack_refuses", json={}, headers=person(probe))
    said = answer.json()
    assert (answer.status_code, said["code"], said["message"]) == (409, "PT409", "order.stale")
    assert json.loads(said["details"]) == {"by": "5"}


# --- keys and tokens ---


def test_without_a_key_nobody_gets_in(probe: Stack) -> None:
    assert read(probe, {}).status_code == 401
    assert read(probe, {"authorization": person(probe)["authorization"]}).status_code == 401
    assert read(probe, {"apikey": "sb_secret_guess"}).status_code == 401
    assert HTTP.get(f"{probe.api_url}/auth/v1/user").status_code == 401
    assert HTTP.get(f"{probe.api_url}/").status_code == 404


@pytest.mark.parametrize("role", ["postgres", "desk_owner", "service_role", "authenticator", None])
def test_a_token_for_another_role_is_refused(probe: Stack, role: str | None) -> None:
    assert read(probe, person(probe, role=role)).status_code == 401


def test_an_expired_token_is_said_to_be_expired(probe: Stack) -> None:
    answer = read(probe, person(probe, exp=time.time() - 1))
    assert (answer.status_code, answer.json()["message"]) == (401, "JWT expired")


def test_a_token_signed_with_another_secret_is_refused(probe: Stack) -> None:
    claims = {"sub": "x", "role": "authenticated", "aud": "authenticated", "exp": time.time() + 600}
    token = jwt.encode(claims, "another secret of a decent length ..", algorithm="HS256")
    answer = read(probe, {"apikey": probe.publishable_key, "authorization": f"Bearer {token}"})
    assert answer.status_code == 401


def test_the_service_key_works_as_the_client_sends_it(probe: Stack) -> None:
    key = probe.secret_key
    answer = read(probe, {"apikey": key, "authorization": f"Bearer {key}"})
    assert (answer.status_code, answer.json()["code"]) == (403, "42501")  # known, but without rights


def test_nobody_signs_up_without_an_invitation(probe: Stack) -> None:
    answer = HTTP.post(
        f"{probe.api_url}/auth/v1/signup",
        json={"email": "stranger@example.com", "password": "correct horse battery"},
        headers={"apikey": probe.publishable_key},
    )
    assert answer.status_code >= 400
    with psycopg.connect(probe.admin_url) as admin:
        assert admin.execute("select count(*) from auth.users").fetchone() == (0,)


def test_functions_are_reached_through_the_same_address(probe: Stack) -> None:
    answer = HTTP.post(f"{probe.api_url}/functions/v1/no-such-function", json={})
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "NOT_FOUND")


def test_functions_run_apart_and_the_scheduler_rings(
    data_folder: Callable[[str], Path], installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    functions = data_folder("functions")
    for name in ("hello", "sla-reminders", "broken"):
        (functions / name).mkdir()
    (functions / "hello" / "index.ts").write_text(
        "export default { fetch: async (r: Request) => Response.json(await r.json()) }"
    )
    (functions / "broken" / "index.ts").write_text(
        "export default { fetch: () => { throw new Error('138') } }"
    )
    (functions / "sla-reminders" / "index.ts").write_text("""
        let rung = 0;
        export default { fetch: (request: Request) => {
            const isUs = request.headers.get("apikey") === Deno.env.get("SUPABASE_SECRET_KEY");
            if (request.method === "POST" && isUs) rung++;
            return Response.json({ rung });
        } }""")
    monkeypatch.setattr(deno, "FUNCTIONS", functions)
    monkeypatch.setattr(stack_module, "TICK_SECONDS", 0.1)
    with Stack(installation("with-functions"), fsync=False) as stack:
        address = f"{stack.api_url}/functions/v1"
        assert HTTP.post(f"{address}/hello", json={"a": 1}).json() == {"a": 1}
        broken = HTTP.post(f"{address}/broken")
        assert (broken.status_code, "138" in broken.text) == (500, False)
        wait_until(lambda: HTTP.get(f"{address}/sla-reminders").json()["rung"] >= 2)


# --- the data folder ---


def test_secrets_are_for_their_owner_alone(probe: Stack) -> None:
    for name in ("runtime.json", "secrets.json"):
        assert (probe.data_dir / name).stat().st_mode & 0o777 == 0o600
    runtime = read_runtime(probe.data_dir)
    assert runtime is not None
    assert set(runtime) == {"pid", "api_url", "db_url", "admin_url", "publishable_key", "secret_key"}
    assert runtime["pid"] == os.getpid()


def test_a_second_instance_is_refused_with_a_sentence(probe: Stack) -> None:
    with pytest.raises(StackError, match=r"is already in use by process \d+ .*DESK_DATA_DIR"):
        Stack(probe.data_dir).start()
    assert answers(probe)


def test_commands_find_the_running_stack(probe: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DESK_DATA_DIR", str(probe.data_dir))
    with target.connect() as found:
        assert (found.api_url, found.secret_key, found.pii_key) == (
            probe.api_url,
            probe.secret_key,
            probe.pii_key,
        )


def test_the_schema_is_not_applied_again_when_nothing_changed(probe: Stack) -> None:
    said: list[str] = []
    probe.stop()
    again = Stack(probe.data_dir, port=int(probe.api_url.rsplit(":", 1)[1]), test_clock=True, say=said.append)
    again.start_database()
    again.stop()
    assert said == []
    probe.start()


def test_logs_hold_no_keys_and_no_tokens(probe: Stack) -> None:
    headers = person(probe)
    read(probe, headers, "no_such_column_13812345678")
    text = "".join(path.read_text() for path in (probe.data_dir / "log").iterdir())
    secrets = [headers["authorization"].split()[1], probe.secret_key, probe.secrets.jwt_secret, probe.pii_key]
    assert [secret for secret in [*secrets, "13812345678"] if secret in text] == []


# --- crashes ---


@pytest.mark.parametrize("part", ["gateway", "functions", "postgres"])
def test_a_killed_part_comes_back(probe: Stack, part: str) -> None:
    wait_until(lambda: len(probe.pids) == 3)
    old = probe.pids[part]
    os.kill(old, signal.SIGKILL)
    wait_until(lambda: probe.pids.get(part, old) != old)
    wait_until(lambda: answers(probe))
    assert read(probe, person(probe)).json()[0]["id"] == 1


def test_nothing_acknowledged_is_lost_when_parts_are_killed_at_work(
    installation: Installation,
) -> None:
    with Stack(installation("crash")) as stack:  # with fsync, as in real use
        execute(stack.db_url, TABLES + GRANTS)
        stack.restart_gateway()
        stop = threading.Event()
        acknowledged: list[int] = []
        writer = threading.Thread(target=write_numbers, args=(stack, stop, acknowledged), daemon=True)
        writer.start()
        for part in ("postgres", "gateway"):
            wait_for_more(acknowledged, 30)
            os.kill(stack.pids[part], signal.SIGKILL)
        wait_for_more(acknowledged, 30)
        stop.set()
        writer.join()
        with psycopg.connect(stack.db_url) as owner:
            stored = {row[0] for row in owner.execute("select id from private.stack_vault").fetchall()}
    assert set(acknowledged) - stored == set()


def wait_for_more(acknowledged: list[int], count: int) -> None:
    """Wait until so many more numbers were acknowledged."""
    goal = len(acknowledged) + count
    wait_until(lambda: len(acknowledged) >= goal)


def write_numbers(stack: Stack, stop: threading.Event, acknowledged: list[int]) -> None:
    """Write 1, 2, 3 … through the API until told to stop; keep those that were answered with success."""
    for number in itertools.count(1):
        if stop.is_set():
            return
        try:
            answer = HTTP.post(
                f"{stack.api_url}/rest/v1/rpc/stack_write", json={"p_id": number}, headers=person(stack)
            )
        except httpx.TransportError:
            continue
        if answer.status_code == 200:
            acknowledged.append(number)


def run_local(folder: Path) -> tuple[subprocess.Popen[str], dict[str, str]]:
    """`python -m backend local` and the line it prints when it is ready."""
    command = [sys.executable, "-m", "backend", "local", "--data", str(folder), "--no-demo"]
    process = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert process.stdout is not None
    return process, json.loads(process.stdout.readline())


def processes_of(folder: Path) -> list[int]:
    """Every process that still belongs to a stack on this folder: the database, or our descendants."""
    found = []
    for process in psutil.process_iter(["pid", "cmdline"]):
        if any(str(folder) in word for word in process.info["cmdline"] or []):
            found.append(process.info["pid"])
    return found


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_leaves_no_process_and_no_runtime_file(
    installation: Installation, number: signal.Signals
) -> None:
    folder = installation("stop")
    process, facts = run_local(folder)
    family = psutil.Process(process.pid).children(recursive=True)
    assert len(family) >= 4
    assert set(facts) == {"api_url", "db_url", "publishable_key", "secret_key"}
    process.send_signal(number)
    assert process.wait(20) == 0
    assert [child.pid for child in family if child.is_running()] == []
    assert processes_of(folder) == []
    assert not (folder / "runtime.json").exists()


def test_children_leave_when_their_parent_is_killed_and_the_next_start_works(
    installation: Installation,
) -> None:
    folder = installation("orphans")
    process, _ = run_local(folder)
    family = psutil.Process(process.pid).children(recursive=True)
    process.kill()
    process.wait()
    wait_until(lambda: not any(child.is_running() for child in family))
    assert read_runtime(folder) is None
    again, facts = run_local(folder)
    assert HTTP.get(f"{facts['api_url']}/health").status_code == 200
    again.terminate()
    again.wait(20)


def test_a_database_left_behind_is_stopped_first(installation: Installation) -> None:
    folder = installation("left")
    first = Stack(folder, fsync=False)
    first.start_database()
    command = psutil.Process(first.pids["postgres"]).cmdline()
    first.stop()
    account = database_account()
    switch: dict[str, Any] = {} if account is None else account.popen_options()
    orphan = subprocess.Popen(command, stderr=subprocess.DEVNULL, cwd="/", **switch)
    wait_until(lambda: "ready" in _pid_file(folder))
    with Stack(folder, fsync=False) as second:
        assert orphan.wait(5) == 0
        assert second.pids["postgres"] != orphan.pid


def test_a_stale_pid_file_harms_no_innocent_process(installation: Installation) -> None:
    folder = installation("stale")
    first = Stack(folder, fsync=False)
    first.start_database()
    orphan = first.pids["postgres"]
    stale = _pid_file(folder)
    first.stop()
    (folder / "postgres" / "postmaster.pid").write_text(stale.replace(str(orphan), str(os.getpid()), 1))
    with Stack(folder, fsync=False) as second:  # the number now belongs to this very process: it must live
        assert second.pids["postgres"] != os.getpid()


def _pid_file(folder: Path) -> str:
    path = folder / "postgres" / "postmaster.pid"
    return path.read_text() if path.exists() else ""


# --- backup ---


def test_a_backup_becomes_the_same_installation_elsewhere(
    probe: Stack, data_folder: Callable[[str], Path]
) -> None:
    made = backup(probe.data_dir, data_folder("backup") / "one.backup", say=print)
    assert made.file.stat().st_mode & 0o777 == 0o600
    assert made.key_file == probe.data_dir / "secrets.json"
    content = made.file.read_bytes()
    assert probe.pii_key.encode() not in content
    before = rights(probe)
    elsewhere = data_folder("restored")
    restore(made.file, elsewhere, keys=made.key_file, say=print)
    with Stack(elsewhere, fsync=False, test_clock=True) as copy:
        execute(copy.db_url, GRANTS)
        assert copy.pii_key == probe.pii_key
        assert read(copy, person(copy)).json() == read(probe, person(probe)).json()
        assert rights(copy) == before


def test_a_backup_without_its_key_is_not_restored_by_accident(
    probe: Stack, data_folder: Callable[[str], Path]
) -> None:
    made = backup(probe.data_dir, data_folder("backup") / "two.backup", say=print)
    elsewhere = data_folder("no-key")
    with pytest.raises(BackupError, match="encrypted with the key"):
        restore(made.file, elsewhere, say=print)
    with pytest.raises(BackupError, match="already holds an installation"):
        restore(made.file, probe.data_dir, say=print)
    with pytest.raises(BackupError, match="exists already"):
        backup(probe.data_dir, made.file, say=print)
    with pytest.raises(BackupError, match="not a backup"):
        restore(Path(__file__), elsewhere, say=print)


# --- the schema ---


def test_schema_sql_is_assembled_from_its_parts() -> None:
    assert build.main(["--check"]) == 0


def test_the_lock_file_names_no_download_address() -> None:
    lock = (ROOT / "backend" / "local" / "gateway" / "deno.lock").read_text()
    assert "://" not in lock
