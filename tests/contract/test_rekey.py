"""Change of the personal-data key: nothing is lost, nothing stays behind, nobody notices."""

from __future__ import annotations

import json
import stat
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.types.json import Jsonb

from backend import cli, rekey, search
from backend.imports import encode, runner
from backend.imports.runner import Importer, Shop, import_file
from backend.local import secrets
from backend.local.stack import Stack
from backend.pii import Keyring, PiiError, generate_key, key_id_of
from backend.rekey import Keys
from tests.conftest import Installation
from tests.sql.importing import (
    TEN,
    Connection,
    Rpc,
    add_member,
    add_shop,
    connected,
    one,
    parsed,
    record,
    shop_of,
    undone,
)

SAMPLE = Path(__file__).parents[1] / "data" / "samples" / "taobao_ExportOrderList.csv"
OLD, NEW = generate_key(), generate_key()
OLD_RING, NEW_RING = Keyring.parse(OLD), Keyring.parse(NEW)
BOTH = Keys.parse(f"{NEW},{OLD}")
NOTE = "客户来电确认 13812345678"


def bring_sample(conn: Connection) -> None:
    """A shop with the sample imported under the old key; one exception of a phone waived, with a note."""
    shop = Shop(add_shop(conn, "tb", "taobao"), "tb", "taobao")
    rpc = Rpc(conn)
    import_file(Importer(rpc, rpc, OLD_RING), SAMPLE, name=SAMPLE.name, kind="orders", shop=shop)
    waive(conn)
    add_channels(conn)


@pytest.fixture(scope="module")
def sample_url(module_db_url: str) -> str:
    """A database with the sample, for the tests that leave it as it was."""
    with connected(module_db_url) as conn:
        bring_sample(conn)
    return module_db_url


@pytest.fixture
def conn(sample_url: str) -> Iterator[Connection]:
    """A connection to it; what the test does is rolled back."""
    with undone(sample_url) as connection:
        yield connection


def waive(conn: Connection) -> None:
    exception, order = conn.execute(
        "select id, order_id from order_exceptions where kind = 'bad_phone' and state = 'open' limit 1"
    ).fetchall()[0]
    note = OLD_RING.encrypt("order_exceptions", "note", order, NOTE)
    conn.execute(
        "update order_exceptions set state = 'waived', reason = 'confirmed', decided_at = now(),"
        " note_cipher = %s where id = %s",
        (note, exception),
    )
    member = one(
        conn,
        "insert into members (display_name, role) values ('A', 'agent') returning id",
    )
    before = [{"id": exception, "order_id": order, "version": 2, "before": {"note_cipher": note}}]
    conn.execute(
        "insert into action_batches (member_id, action, item_count, items, created_at)"
        " values (%s, 'waived', 1, %s, now())",
        (member, Jsonb(before)),
    )


def add_channels(conn: Connection) -> None:
    """A robot without a secret, and a webhook with one."""
    for key, host, secret in ((1, "qyapi.weixin.qq.com", None), (2, "hooks.example.com", "s")):
        endpoint = OLD_RING.encrypt("channels", "endpoint", key, f"https://{host}/")
        conn.execute(
            "insert into channels (id, kind, name, host, endpoint_cipher, secret_cipher)"
            " values (%s, 'webhook', %s, %s, %s, %s)",
            (key, host, host, endpoint, secret and OLD_RING.encrypt("channels", "secret", key, secret)),
        )


def tokens(conn: Connection) -> dict[tuple[str, str, int, int], str]:
    """Every ciphertext of the database by table, column, id of its row, and the id it is bound to."""
    found: dict[tuple[str, str, int, int], str] = {}
    for cell in rekey.CELLS:
        query = f"select id, {cell}_cipher from private.contacts where {cell}_cipher is not null"
        found |= {("contacts", cell, key, key): token for key, token in conn.execute(query).fetchall()}
    notes = "select id, order_id, note_cipher from order_exceptions where note_cipher is not null"
    found |= {("order_exceptions", "note", key, order): t for key, order, t in conn.execute(notes).fetchall()}
    undo = """select b.id, (i ->> 'order_id')::bigint, i #>> '{before,note_cipher}' from action_batches b,
        jsonb_array_elements(b.items) i where i #>> '{before,note_cipher}' is not null"""
    for key, order, token in conn.execute(undo).fetchall():
        found["order_exceptions", "note", -key, order] = token
    channels = """select id, n, t from channels, lateral (values ('endpoint', endpoint_cipher),
        ('secret', secret_cipher)) c (n, t) where t is not null"""
    found |= {("channels", cell, key, key): token for key, cell, token in conn.execute(channels).fetchall()}
    return found


def clear(conn: Connection, ring: Keyring) -> dict[tuple[str, str, int, int], str]:
    """All of it in clear; PiiError when the ring does not open one."""
    return {where: ring.decrypt(where[0], where[1], where[3], token) for where, token in tokens(conn).items()}


def standing(conn: Connection) -> list[Any]:
    """What people see of orders and exceptions: versions, verdicts, states, what may ship."""
    return conn.execute(
        """select o.order_no, o.version, o.updated_at, o.is_checked, o.checked_version,
               private.is_releasable(o.id),
               (select array_agg((x.kind, x.state, x.version, x.evidence::text)::text order by x.kind)
                from order_exceptions x where x.order_id = o.id)
           from orders o order by 1"""
    ).fetchall()


def judge_anew(conn: Connection) -> None:
    Rpc(conn)("service_evaluate_shop", p_shop_id=1, p_after=0, p_limit=5000)


def test_every_value_opens_under_the_new_key_alone(conn: Connection) -> None:
    before = clear(conn, OLD_RING)
    assert {where[1] for where in before} >= {"name", "phone", "address", "note"}
    assert len({where for where in before if where[0] == "order_exceptions"}) == 2
    summary = rekey.rekey(Rpc(conn), BOTH)
    assert clear(conn, NEW_RING) == before
    contacts = one(conn, "select count(*) from private.contacts")
    assert (summary.contacts, summary.notes, summary.undo, summary.left) == (contacts, 1, 1, 0)
    assert summary.channels == 2
    assert summary.is_complete
    assert summary.orders == one(conn, "select count(*) from orders where contact_id is not null")


def test_blind_indexes_are_those_of_the_new_key(conn: Connection) -> None:
    filled = "select count(name_hash), count(phone_hash), count(phone_last4_hash) from private.contacts"
    before = conn.execute(filled).fetchone()
    rekey.rekey(Rpc(conn), BOTH)
    assert conn.execute(filled).fetchone() == before
    assert before is not None
    assert min(before) > 0
    rows = conn.execute(
        "select id, name_cipher, phone_cipher, name_hash, phone_hash, phone_last4_hash from private.contacts"
    ).fetchall()
    for key, name, phone, *hashes in rows:
        person = NEW_RING.decrypt("contacts", "name", key, name) if name else None
        number = NEW_RING.decrypt("contacts", "phone", key, phone) if phone else None
        assert hashes == [
            NEW_RING.blind("name", person),
            NEW_RING.blind("phone", number),
            NEW_RING.blind("phone_last4", number),
        ]


def test_people_find_an_order_by_phone_with_the_new_key_alone(conn: Connection) -> None:
    rekey.rekey(Rpc(conn), BOTH)
    key, token, order = conn.execute(
        "select c.id, c.phone_cipher, o.order_no from private.contacts c join orders o on o.contact_id = c.id"
        " where c.phone_hash is not null order by c.id limit 1"
    ).fetchall()[0]
    phone = NEW_RING.decrypt("contacts", "phone", key, token)
    somebody = Rpc(conn, add_member(conn, "operations", 1))
    found = somebody("search_desk", p=search.candidates(NEW_RING, phone))
    assert order in [entry["order_no"] for entry in found["orders"]]


def test_verdicts_waivers_and_open_forms_stay_as_they_are(conn: Connection) -> None:
    before = standing(conn)
    assert any(row[5] for row in before)  # something may ship
    hashes = dict(conn.execute("select id, facts_hash from orders").fetchall())
    rekey.rekey(Rpc(conn), BOTH)
    assert standing(conn) == before
    moved = dict(conn.execute("select id, facts_hash from orders").fetchall())
    assert all(moved[key] != hashes[key] for key in hashes)
    judge_anew(conn)
    assert standing(conn) == before


def test_the_facts_of_an_order_hash_as_an_import_would(conn: Connection) -> None:
    """A later file with the same contact must find the facts it knows, or a correction would be lost."""
    rekey.rekey(Rpc(conn), BOTH)
    conn.execute("update orders set checked_version = 'older'")
    rows = Rpc(conn)("service_unchecked_orders", p_shop_id=1, p_after=0, p_limit=1000)
    assert rows
    for row in rows:
        facts = encode.opened(NEW_RING, row).facts()
        assert row["facts_hash"] == rekey.facts_hash(NEW_RING, facts)


class _KilledError(Exception):
    """The process ends here."""


class Dying(Rpc):
    """Ends before the n-th write."""

    writes = 3

    def __call__(self, name: str, **params: Any) -> Any:
        if name == "service_rekey_store":
            self.writes -= 1
            if self.writes < 0:
                raise _KilledError
        return super().__call__(name, **params)


def test_a_run_killed_between_chunks_goes_on(conn: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rekey, "_CHUNK", 4)
    before, seen = clear(conn, OLD_RING), standing(conn)
    with pytest.raises(_KilledError):
        rekey.rekey(Dying(conn), BOTH)
    ids = {key_id_of(token) for token in tokens(conn).values()}
    assert ids == {OLD_RING.current_id, NEW_RING.current_id}
    judge_anew(conn)
    assert standing(conn) == seen  # duplicates of one phone moved together
    assert clear(conn, BOTH.ring) == before
    assert rekey.rekey(Rpc(conn), BOTH).is_complete
    assert clear(conn, NEW_RING) == before
    assert standing(conn) == seen


def test_two_at_once_share_the_work(db_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rekey, "_CHUNK", 3)
    with connected(db_url) as conn, connected(db_url) as other, ThreadPoolExecutor(2) as pool:
        bring_sample(conn)
        before = clear(conn, OLD_RING)
        runs = [pool.submit(rekey.rekey, Rpc(each), BOTH) for each in (conn, other)]
        summaries = [run.result() for run in runs]
        assert clear(conn, NEW_RING) == before
        assert sum(summary.contacts for summary in summaries) == one(
            conn, "select count(*) from private.contacts"
        )
        again = rekey.rekey(Rpc(conn), BOTH)
    assert (again.contacts, again.notes, again.undo, again.orders, again.left) == (0, 0, 0, 0, 0)


class Correcting(Rpc):
    """A person corrects a phone between reading and writing."""

    token = ""

    def __call__(self, name: str, **params: Any) -> Any:
        if name == "service_rekey_store" and not self.token:
            key = one(self.conn, "select min(id) from private.contacts where phone_cipher is not null")
            self.token = OLD_RING.encrypt("contacts", "phone", key, "13900000000")
            self.conn.execute(
                "update private.contacts set phone_cipher = %s where id = %s", (self.token, key)
            )
        return super().__call__(name, **params)


def test_a_change_meanwhile_is_kept_and_moves_too(conn: Connection) -> None:
    summary = rekey.rekey(Correcting(conn), BOTH)
    assert summary.is_complete
    assert "13900000000" in clear(conn, NEW_RING).values()


def test_what_does_not_open_is_left_and_counted(conn: Connection) -> None:
    foreign = Keyring.parse(generate_key())
    key = one(conn, "select min(id) from private.contacts where phone_cipher is not null")
    lost = foreign.encrypt("contacts", "phone", key, "13900000000")
    conn.execute("update private.contacts set phone_cipher = %s where id = %s", (lost, key))
    summary = rekey.rekey(Rpc(conn), BOTH)
    assert (summary.unreadable, summary.left, summary.is_complete) == (1, 1, False)
    rest = {where: token for where, token in tokens(conn).items() if token != lost}
    assert {key_id_of(token) for token in rest.values()} == {NEW_RING.current_id}
    with pytest.raises(PiiError):
        clear(conn, BOTH.ring)


def test_an_import_under_way_may_still_bring_the_old_key(conn: Connection) -> None:
    rpc = Rpc(conn)
    rpc(
        "import_begin", p_kind="orders", p_shop_id=1, p_platform="taobao", p_file_name="next.csv",
        p_file_hash="x", p_is_strict=False, p_rows_total=1, p_request_id=uuid.uuid4(),
    )  # fmt: skip
    summary = rekey.rekey(rpc, BOTH)
    assert (summary.left, summary.imports, summary.is_complete) == (0, ["next.csv"], False)


def test_corrected_orders_are_named(conn: Connection) -> None:
    number = one(
        conn,
        """update orders set platform_facts_hash = 'before' where id = (select min(id) from orders
           where status = 'to_ship' and contact_id is not null) returning order_no""",
    )
    assert rekey.rekey(Rpc(conn), BOTH).corrected == [number]


def bring_again(conn: Connection, ring: Keyring, shop: str, *records: Any) -> None:
    place = shop_of(conn, shop)
    runner._Run(
        Importer(Rpc(conn), Rpc(conn), ring),
        parsed("orders", records),
        place,
        "f.csv",
        uuid.uuid4().hex,
        False,
    ).run()


def test_a_correction_outlives_the_change_when_its_file_comes_before_the_old_key_goes(
    conn: Connection,
) -> None:
    add_shop(conn, "own")
    said = record(1, phone="123")
    bring_again(conn, OLD_RING, "own", said)
    query = "update orders set receiver_masked = '改*', platform_facts_hash = facts_hash, facts_hash = %s"
    conn.execute(query + " where order_no = %s", ("a" * 64, said.order_no))
    rekey.rekey(Rpc(conn), BOTH)
    for ring in (BOTH.ring, NEW_RING):
        bring_again(conn, ring, "own", said, record(2))
        kept = "select receiver_masked = '改*' and facts_hash = %s from orders where order_no = %s"
        assert one(conn, kept, "a" * 64, said.order_no)


def test_addresses_from_before_and_after_compare_once_a_file_has_brought_them(conn: Connection) -> None:
    add_shop(conn, "own")
    times = {"placed_at": TEN, "paid_at": TEN, "ip": "203.0.113.9"}
    bring_again(conn, OLD_RING, "own", record(1, **times), record(2, **times))
    rekey.rekey(Rpc(conn), BOTH)
    bring_again(conn, BOTH.ring, "own", record(3, **times))
    found = (
        "select count(*) from order_exceptions x join orders o on o.id = x.order_id where x.kind = 'same_ip'"
    )
    assert one(conn, found) == 3
    assert one(conn, "select count(distinct ip_hash) from orders where ip_hash is not null") == 1


def test_afterwards_waiting_orders_are_judged_anew_and_it_is_history(conn: Connection) -> None:
    conn.execute("delete from private.jobs")
    rekey.rekey(Rpc(conn), BOTH)
    assert one(conn, "select payload from private.jobs where kind = 'evaluate_shop'") == {"shop_id": 1}
    detail = one(conn, "select detail from audit_events where action = 'rekeyed'")
    assert (detail["key"], detail["left"]) == (NEW_RING.current_id, 0)


def test_clear_text_is_refused(conn: Connection) -> None:
    key = one(conn, "select min(id) from private.contacts")
    rows = [{"id": key, "old": {}, "new": {"phone": "13800000000"}, "orders": []}]
    with pytest.raises(Exception, match=r"import\.clear_text"):
        Rpc(conn)("service_rekey_store", p_place="contacts", p_rows=rows)


def test_every_place_of_a_ciphertext_is_known(db: psycopg.Connection) -> None:
    """A new column with personal data has to be added to rekey before it can be forgotten."""
    columns = db.execute(
        """select table_name || '.' || column_name from information_schema.columns
           where table_schema in ('public', 'private') and column_name like '%cipher%'
             and table_name <> 'web_sessions'"""
    ).fetchall()
    known = {f"contacts.{cell}_cipher" for cell in rekey.CELLS} | {"order_exceptions.note_cipher"}
    known |= {f"channels.{cell}_cipher" for cell in rekey.CHANNEL_CELLS}
    assert {row[0] for row in columns} == known


# The command -----------------------------------------------------------------------------------------------


def command(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, dict[str, Any], str]:
    """Exit code, what it printed as JSON, and standard error of one call."""
    code = cli.main([*arguments, "--json"])
    said = capsys.readouterr()
    return code, json.loads(said.out) if said.out else {}, said.err


def test_the_key_of_an_installation_from_new_to_drop(
    tmp_path: Path,
    installation: Installation,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DESK_DATA_DIR", str(tmp_path))
    code, said, text = command(capsys, "rekey", "--new")
    assert (code, said) == (1, {})
    assert "There is no installation" in text
    folder = installation("rekey")
    monkeypatch.setenv("DESK_DATA_DIR", str(folder))
    with Stack(folder, fsync=False) as stack:
        old = secrets.load(folder).pii_key
        assert command(capsys, "import", "orders", str(SAMPLE))[0] == 0
        code, said, text = command(capsys, "rekey", "--new")
        both = secrets.load(folder).pii_key
        assert code == 0, text
        assert (said["left"], said["old_keys"]) == (0, [Keyring.parse(old).current_id])
        assert both.endswith(f",{old}")
        assert "rekey --drop-old" in text
        assert stat.S_IMODE((folder / secrets.FILE_NAME).stat().st_mode) == 0o600
        new = both.split(",")[0]
        with connected(stack.db_url) as conn:
            assert len(clear(conn, Keyring.parse(new))) > said["contacts"] > 0
        code, said, text = command(capsys, "rekey", "--new")
        assert code == 1
        assert "is not finished" in text
        code, said, text = command(capsys, "rekey", "--drop-old")
        assert code == 1
        assert "Restart the desk" in text
        assert secrets.load(folder).pii_key == both
    code, said, _ = command(capsys, "rekey", "--drop-old")
    assert (code, said["dropped"], said["contacts"]) == (0, True, 0)
    assert secrets.load(folder).pii_key == new


def test_the_keys_of_a_hosted_project_are_left_alone(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    hosted = {
        "SUPABASE_URL": "http://127.0.0.1:1",
        "SUPABASE_PUBLISHABLE_KEY": "sb_publishable_x",
        "SUPABASE_SECRET_KEY": "sb_secret_x",
        "DESK_COOKIE_SECRET": "x" * 32,
        "DESK_PII_KEY": OLD,
    }
    for name, value in hosted.items():
        monkeypatch.setenv(name, value)
    code, _, text = command(capsys, "rekey", "--new")
    assert code == 2
    assert "DESK_PII_KEY=" in text
    assert OLD not in text
