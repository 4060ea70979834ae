"""A4: an order file from bytes to judged orders, against COPY of the same columns into tables with the same indexes."""

from __future__ import annotations

import csv
import io
import os
import statistics
import time
from datetime import datetime, timedelta
from typing import Any

import psycopg

from backend.imports.runner import Importer, Shop, import_file
from backend.pii import Keyring
from backend.service import Service
from tests.bench import million
from tests.bench.measure import Row, row, seconds

ORDERS = int(os.environ.get("DESK_BENCH_IMPORT", "20000"))
HEADERS = [
    "订单号",
    "下单时间",
    "支付时间",
    "订单状态",
    "买家账号",
    "收货人",
    "手机号",
    "省",
    "市",
    "区",
    "详细地址",
    "商品编码",
    "商品名称",
    "规格",
    "数量",
    "单价",
    "实付金额",
]
ROUNDS, COPIES = 3, 2
STORE = {"import_stage", "import_apply", "service_import_verdicts", "reserve_contact_ids"}
COPIED = ("orders", "order_items", "contacts")
FIRST_CONTACTS = "id in (select contact_id from public.orders where shop_id = 1)"


def rows() -> list[Row]:
    """Imports of `ORDERS` orders into one shop after the other, and COPY of what the first stored, in turns."""
    wholes, stores, copies = [], [], []
    with (
        million.installation() as (stack, settings),
        psycopg.connect(stack.admin_url, autocommit=True) as admin,
    ):
        for number in range(ROUNDS):
            spent: dict[str, float] = {}
            call = Service(settings).rpc
            importer = _timed(Importer(call, call, Keyring.parse(settings.pii_key)), spent)
            shop = Shop(1 + number, f"b{number}", "own")
            wholes.append(seconds(lambda: _import(importer, shop)))  # noqa: B023 (called at once)
            stores.append(sum(spent[name] for name in STORE if name in spent))
            copies += [_copy(admin) for _ in range(COPIES)]
    whole, store, copy = (statistics.median(times) for times in (wholes, stores, copies))
    name = f"A4 import of {ORDERS:,} orders"
    return [
        row(
            f"{name}, file to judged orders, against COPY",
            ORDERS / whole,
            ORDERS / copy,
            goal=">= 0.15x",
            met=lambda ratio: ratio >= 0.15,
            unit="1/s",
        ),
        row(
            f"{name}, store step alone, against COPY",
            ORDERS / store,
            ORDERS / copy,
            goal=">= 0.35x",
            met=lambda ratio: ratio >= 0.35,
            unit="1/s",
        ),
    ]


def _import(importer: Importer, shop: Shop) -> None:
    import_file(importer, own_shop_file(ORDERS), name="own.csv", kind="orders", shop=shop)


def own_shop_file(count: int) -> bytes:
    """An own-shop export with `count` orders that wait to ship, every fiftieth with a broken address."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(HEADERS)
    first = datetime(2026, 11, 1, 8)
    for n in range(count):
        at = first + timedelta(seconds=40 * n)
        city = "杭州市" if n % 50 else "南京市"
        writer.writerow(
            [f"S{n:010d}", at, at + timedelta(minutes=2), "待发货", f"buyer_{n % 9000}", f"顾客{n:05d}", f"1380000{n % 10000:04d}",
             "浙江省", city, "西湖区", f"文昌路{n % 390 + 1}号{n % 30 + 1}栋{n % 28 + 1}01室", f"SKU{n % 16 + 1:03d}", "样品", "", 1, "59.00", "59.00"]
        )  # fmt: skip
    return out.getvalue().encode()


def _timed(importer: Importer, spent: dict[str, float]) -> Importer:
    def timed(call: Any) -> Any:
        def measured(name: str, **params: Any) -> Any:
            begun = time.perf_counter()
            try:
                return call(name, **params)
            finally:
                spent[name] = spent.get(name, 0.0) + time.perf_counter() - begun

        return measured

    return Importer(timed(importer.call), timed(importer.service), importer.keyring)


def _copy(admin: psycopg.Connection) -> float:
    """COPY of the first shop's rows, all columns, into empty copies of the tables with checks and indexes."""
    total = 0.0
    for table in COPIED:
        source = f"private.{table}" if table == "contacts" else f"public.{table}"
        admin.execute(f"create table public.bench_{table} (like {source} including all)")
        columns = [
            name
            for (name,) in admin.execute(
                "select attname from pg_attribute where attrelid = %s::regclass and attnum > 0 and not attisdropped"
                " and attgenerated = '' and attidentity = ''",
                (source,),
            ).fetchall()
        ]
        names = ", ".join(columns)
        only = FIRST_CONTACTS if table == "contacts" else "shop_id = 1"
        with admin.cursor().copy(f"copy (select {names} from {source} where {only}) to stdout") as out:
            data = b"".join(bytes(part) for part in out)
        begun = time.perf_counter()
        with admin.cursor().copy(f"copy public.bench_{table} ({names}) from stdin") as into:
            into.write(data)
        total += time.perf_counter() - begun
        admin.execute(f"drop table public.bench_{table}")
    return total
