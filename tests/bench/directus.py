"""A1 against a peer: pages of 50 through our client and through Directus on the same server with the same rows.

Only on demand (`DESK_BENCH_DIRECTUS=1`): npm takes minutes to build it. It gets a database of its
own in the installation's server, with the same orders in one flat table that carries the indexes our pages
read. Its administrator has no row policy and its page neither count nor tabs; ours has all of them.
"""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from backend import db
from backend.local.postgres import free_port
from backend.local.stack import Stack
from tests.bench.measure import Row, in_turns, row

VERSION = "11.3.5"
DATABASE = "directus"
EMAIL = "bench@example.com"
COLUMNS = "id, shop_id, order_no, status, placed_at, paid_at, amount, buyer_account, receiver_masked, province, city"
TABLE = """
create table bench_orders (
    id bigint primary key, shop_id bigint not null, order_no text not null, status text not null,
    placed_at timestamptz not null, paid_at timestamptz, amount numeric(14, 2), buyer_account text,
    receiver_masked text, province text, city text, state text not null, kind text, due_sort timestamptz not null
)"""
ROWS = """
copy (select o.id, o.shop_id, o.order_no, o.status, o.placed_at, o.paid_at, o.amount, o.buyer_account, o.receiver_masked,
    o.province, o.city, r.state, r.kinds[1], r.due_sort from orders o join order_reviews r on r.order_id = o.id) to stdout"""
INDEXES = (
    "create index on bench_orders (shop_id, placed_at desc, id desc)",
    "create index on bench_orders (placed_at desc, id desc)",
    "create index on bench_orders (shop_id, state, due_sort, id) include (kind, amount)",
    "vacuum analyze bench_orders",
)
ORDERS = {"filter[shop_id][_eq]": 2, "filter[status][_eq]": "completed", "sort": "-placed_at,-id"}
QUEUE = {
    "filter[shop_id][_in]": "1,2,3",
    "filter[state][_eq]": "open",
    "filter[kind][_eq]": "mismatch",
    "sort": "due_sort,id",
}


def rows(stack: Stack, client: db.Client, page: dict[str, Any]) -> list[Row]:
    """Two rows: orders read from the table, and the whole screen of the queue with the filter `page`."""
    _copy(stack)
    with _directus(stack) as peer:
        _same(_orders(client), _page(peer, ORDERS), "id")
        _same(db.rpc(client, "order_queue", p=page)["rows"], _page(peer, QUEUE), "order_id")
        table = in_turns(lambda: _orders(client), lambda: _page(peer, ORDERS), rounds=41)
        queue = in_turns(lambda: db.rpc(client, "order_queue", p=page), lambda: _page(peer, QUEUE), rounds=41)
    return [
        _row("page of 50 orders through the client", table),
        _row("page of 50 of the queue with its count and tabs", queue),
    ]


def _row(what: str, times: tuple[float, float]) -> Row:
    ours, other = times
    return row(
        f"A1 {what}, against Directus {VERSION}",
        ours * 1000,
        other * 1000,
        goal="<= 0.8x",
        met=lambda ratio: ratio <= 0.8,
    )


def _orders(client: db.Client) -> list[dict[str, Any]]:
    query = client.table("orders").select(COLUMNS.replace(" ", "")).eq("shop_id", 2).eq("status", "completed")
    return db.rows(query.order("placed_at", desc=True).order("id", desc=True).limit(50))


def _page(peer: httpx.Client, asked: dict[str, Any]) -> list[dict[str, Any]]:
    answer = peer.get(
        "/items/bench_orders", params={**asked, "limit": 50, "fields": COLUMNS.replace(" ", "")}
    )
    answer.raise_for_status()
    found: list[dict[str, Any]] = answer.json()["data"]
    return found


def _same(ours: list[dict[str, Any]], other: list[dict[str, Any]], key: str) -> None:
    """Both sides show the same fifty orders in the same order, or there is nothing to compare."""
    if [int(found[key]) for found in ours] != [int(found["id"]) for found in other] or len(ours) != 50:
        raise ValueError(f"the pages differ: {ours[:2]} and {other[:2]}")


def _copy(stack: Stack) -> None:
    """The orders of the installation as one flat table in a database beside it."""
    with psycopg.connect(stack.admin_url, autocommit=True) as admin:
        admin.execute(f"create database {DATABASE}")
        with psycopg.connect(_address(stack), autocommit=True) as peer:
            peer.execute(TABLE)
            with (
                admin.cursor().copy(ROWS) as out,
                peer.cursor().copy("copy bench_orders from stdin") as into,
            ):
                for part in out:
                    into.write(part)
            for statement in INDEXES:
                peer.execute(statement)


def _address(stack: Stack) -> str:
    return make_conninfo(stack.admin_url, dbname=DATABASE)


@contextmanager
def _directus(stack: Stack) -> Iterator[httpx.Client]:
    """Installs, prepares and starts Directus; a client signed in as its administrator."""
    folder, port, password = Path(tempfile.mkdtemp(prefix="shopdesk-peer-")), free_port(), secrets.token_hex()
    try:
        _install(folder)
        command = ["node", "node_modules/directus/cli.js"]
        environment = {**os.environ, **_environment(stack, port, password)}
        with (folder / "log").open("wb") as log:
            subprocess.run([*command, "bootstrap"], cwd=folder, env=environment, stdout=log, check=True)
            server = subprocess.Popen([*command, "start"], cwd=folder, env=environment, stdout=log)
            try:
                with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as peer:
                    _enter(peer, server, password)
                    yield peer
            finally:
                server.terminate()
                server.wait(30)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _install(folder: Path) -> None:
    (folder / "package.json").write_text('{"private": true}', "utf-8")
    quiet = ["--no-audit", "--no-fund", "--loglevel=error"]
    subprocess.run(["npm", "install", f"directus@{VERSION}", *quiet], cwd=folder, check=True)


def _environment(stack: Stack, port: int, password: str) -> dict[str, str]:
    place = conninfo_to_dict(stack.admin_url)
    return {
        "DB_CLIENT": "pg",
        "DB_HOST": str(place["host"]),
        "DB_PORT": str(place["port"]),
        "DB_USER": str(place["user"]),
        "DB_PASSWORD": str(place["password"]),
        "DB_DATABASE": DATABASE,
        "HOST": "127.0.0.1",
        "PORT": str(port),
        "SECRET": secrets.token_hex(),
        "ADMIN_EMAIL": EMAIL,
        "ADMIN_PASSWORD": password,
        "ACCESS_TOKEN_TTL": "1h",
        "TELEMETRY": "false",
        "LOG_LEVEL": "error",
    }


def _enter(peer: httpx.Client, server: subprocess.Popen[bytes], password: str) -> None:
    """Waits for the server, signs in and tracks the table."""
    end = time.monotonic() + 120
    while not _alive(peer):
        if server.poll() is not None or time.monotonic() > end:
            raise TimeoutError("Directus did not start")
        time.sleep(0.5)
    answer = peer.post("/auth/login", json={"email": EMAIL, "password": password}).raise_for_status()
    peer.headers["Authorization"] = f"Bearer {answer.json()['data']['access_token']}"
    peer.patch("/collections/bench_orders", json={"meta": {"hidden": False}}).raise_for_status()


def _alive(peer: httpx.Client) -> bool:
    try:
        return peer.get("/server/ping").text == "pong"
    except httpx.HTTPError:
        return False
