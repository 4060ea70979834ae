"""Imports without a gateway: RPCs called straight in Postgres, as the service or as a person, and records on demand."""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb

from backend.errors import AppError
from backend.imports import runner
from backend.imports.records import OrderItem, OrderRecord, ParsedFile, ProductRecord, Rejected
from backend.imports.runner import Importer, Shop
from backend.pii import Keyring, generate_key

Connection = psycopg.Connection[Any]
ZONE = ZoneInfo("Asia/Shanghai")
TEN = datetime(2026, 11, 9, 10, 0, tzinfo=ZONE)
KEYRING = Keyring.parse(generate_key())


_one_at_a_time = threading.Lock()  # the runner sends from a second thread; a connection has one transaction


class Rpc:
    """Calls RPCs in an autocommit connection, each in a transaction of its own, as `service_role` or a person."""

    def __init__(self, conn: Connection, account: uuid.UUID | None = None) -> None:
        self.conn = conn
        self.account = account

    def __call__(self, name: str, **params: Any) -> Any:
        names = sql.SQL(", ").join(sql.SQL("{} => %s").format(sql.Identifier(key)) for key in params)
        call = sql.SQL("select public.{}({})").format(sql.Identifier(name), names)
        values = [
            Jsonb(value) if isinstance(value, (dict, list, tuple)) else value for value in params.values()
        ]
        try:
            with _one_at_a_time, self.conn.transaction():
                self._act()
                row = self.conn.execute(call, values).fetchone()
                self.conn.execute(
                    "select set_config('role', 'none', true), set_config('request.jwt.claims', '', true)"
                )
        except psycopg.Error as error:
            raise refusal(error) from error
        assert row is not None
        return row[0]

    def _act(self) -> None:
        role = "authenticated" if self.account else "service_role"
        claims = {"role": role} | ({"sub": str(self.account)} if self.account else {})
        self.conn.execute("select set_config('request.jwt.claims', %s, true)", (json.dumps(claims),))
        self.conn.execute(sql.SQL("set local role {}").format(sql.Identifier(role)))


def refusal(error: psycopg.Error) -> AppError:
    """What backend.db would raise for it."""
    code, said = error.sqlstate or "", error.diag
    if code.startswith("PT4"):
        return AppError(
            said.message_primary or "", status=int(code[2:]), params=json.loads(said.message_detail or "{}")
        )
    return AppError(
        "access.denied" if code == "42501" else f"error.{code}", status=403 if code == "42501" else 500
    )


@contextmanager
def connected(url: str) -> Iterator[Connection]:
    """An autocommit connection as the owner."""
    with psycopg.connect(url, autocommit=True) as conn:
        yield conn


@contextmanager
def undone(url: str) -> Iterator[Connection]:
    """The same for a test that needs no second connection: what it did, calls and all, is rolled back."""
    with connected(url) as conn, conn.transaction(force_rollback=True):
        yield conn


def add_shop(conn: Connection, code: str = "one", platform: str = "own") -> int:
    """A shop on the default stock pool."""
    row = conn.execute("select private.ensure_shop(%s, %s, %s)", (code, code, platform)).fetchone()
    assert row is not None
    return int(row[0])


def add_member(conn: Connection, role: str, *shops: int, staff_no: str | None = None) -> uuid.UUID:
    """An active member of the shops; answers the account."""
    account = uuid.uuid4()
    conn.execute(
        """with m as (insert into public.members (user_id, staff_no, display_name, role, state)
             values (%s, %s, %s, %s, 'active') returning id)
           insert into public.member_shops select m.id, s from m, unnest(%s::bigint[]) s""",
        (account, staff_no or f"s-{account.hex[:8]}", staff_no or role, role, list(shops)),
    )
    return account


def record(number: int, **changes: Any) -> OrderRecord:
    """A paid order that waits to ship and has nothing wrong with it; `number` tells orders and buyers apart."""
    placed = TEN + timedelta(hours=2 * number)
    values: dict[str, Any] = {
        "row": number + 1,
        "order_no": f"NO{number:05d}",
        "platform_status": "待发货",
        "status": "to_ship",
        "refund": "none",
        "placed_at": placed,
        "paid_at": placed + timedelta(minutes=1),
        "shipped_at": None,
        "completed_at": None,
        "promise_ship_at": None,
        "amount": Decimal("42.00"),
        "buyer_account": f"buyer{number}",
        "receiver": "周强军",
        "phone": f"138{number:08d}",
        "province": "浙江省",
        "city": "杭州市",
        "district": "西湖区",
        "address": "文三路138号3栋2单元601室",
        "postcode": None,
        "buyer_note": None,
        "seller_note": None,
        "ip": None,
        "device": None,
        "carrier": None,
        "tracking_no": None,
        "items": (item(),),
        "receiver_known": True,
    }
    return OrderRecord(**(values | changes))


def item(
    sku: str | None = "S1", quantity: int = 1, *, name: str = "保温杯", spec: str = "黑色", line_no: int = 1
) -> OrderItem:
    """One line of an order."""
    return OrderItem(line_no, sku, name, spec, quantity, Decimal("42.00"))


def one(conn: Connection, query: str, *values: Any) -> Any:
    """The first column of the only row."""
    (row,) = conn.execute(query, values).fetchall()
    return row[0]


def opened(conn: Connection) -> dict[str, list[str]]:
    """Open exceptions by order number."""
    rows = conn.execute(
        """select o.order_no, array_agg(x.kind order by x.kind) from order_exceptions x join orders o on o.id = x.order_id
           where x.state in ('open', 'waiting_customer') group by 1 order by 1"""
    ).fetchall()
    return dict(rows)


def evidence(conn: Connection, order_no: str, kind: str) -> Mapping[str, Any]:
    """The evidence of one exception."""
    query = """select x.evidence from order_exceptions x join orders o on o.id = x.order_id
        where o.order_no = %s and x.kind = %s"""
    found: Mapping[str, Any] = one(conn, query, order_no, kind)
    return found


def numbers(*records: OrderRecord) -> Sequence[str]:
    """Their order numbers."""
    return [entry.order_no for entry in records]


def shop_of(conn: Connection, code: str = "one") -> Shop:
    row = conn.execute("select id, code, platform from shops where code = %s", (code,)).fetchone()
    assert row is not None
    return Shop(*row)


def parsed(kind: Any, records: Sequence[Any], rejected: Sequence[Rejected] = ()) -> ParsedFile[Any]:
    return ParsedFile(
        kind, "own", "utf-8", len(records) + len(rejected), tuple(records), tuple(rejected), 0, ()
    )


def bring(
    conn: Connection,
    records: Sequence[Any],
    *,
    kind: str = "orders",
    call: Rpc | None = None,
    rejected: Sequence[Rejected] = (),
    strict: bool = False,
    shop: Shop | None = None,
    file_hash: str | None = None,
) -> dict[str, Any]:
    """Import records as the runner does; `call` is the actor (the service by default)."""
    importer = Importer(call or Rpc(conn), Rpc(conn), KEYRING)
    file = parsed(kind, records, rejected)
    place = shop or (shop_of(conn) if kind == "orders" else None)
    return runner._Run(importer, file, place, "test.csv", file_hash or uuid.uuid4().hex, strict).run()


def stock(
    row: int, sku: str, available: int | None, name: str = "保温杯", spec: str = "黑色"
) -> ProductRecord:
    return ProductRecord(row, sku, name, spec, available, None)
