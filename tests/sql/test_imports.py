"""Imports as the database sees them: chunks, news and old news, rights, resuming, refusing."""

from __future__ import annotations

import dataclasses
import itertools
import json
import uuid
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from backend.errors import AppError
from backend.imports import encode, runner, trial
from backend.imports.records import OrderRecord, ProductRecord, Rejected, ShipmentRecord
from backend.imports.runner import Importer
from tests.sql.importing import (
    KEYRING,
    TEN,
    Connection,
    Rpc,
    add_member,
    add_shop,
    bring,
    item,
    one,
    opened,
    parsed,
    record,
    shop_of,
    stock,
    undone,
)

SAMPLES = Path(__file__).parents[1] / "data" / "samples"
pytestmark = pytest.mark.usefixtures("conn")


@pytest.fixture
def conn(sql_url: str) -> Iterator[Connection]:
    """A database of the test's own with one shop."""
    with undone(sql_url) as connection:
        add_shop(connection)
        yield connection


@pytest.fixture
def service(conn: Connection) -> Rpc:
    return Rpc(conn)


def counts(report: dict[str, Any]) -> tuple[int, int, int]:
    return report["accepted"], report["updated"], report["unchanged"]


def order(conn: Connection, number: int, *columns: str) -> Any:
    row = conn.execute(
        f"select {', '.join(columns)} from orders where order_no = %s", (f"NO{number:05d}",)
    ).fetchone()
    assert row is not None
    return row if len(columns) > 1 else row[0]


# --- what a file brings ---


def test_an_order_arrives_whole_masked_and_judged(conn: Connection) -> None:
    report = bring(conn, [record(1, ip="203.0.113.7", seller_note="赠品一份")])
    assert counts(report) == (1, 0, 0)
    assert report["exceptions"] == {}
    stored = order(
        conn, 1, "receiver_masked", "phone_masked", "province", "ip_masked", "contact_state", "is_checked"
    )
    assert stored == ("周**", "138****0001", "浙江省", "203.0.*.*", "ok", True)
    assert order(conn, 1, "checked_version") == one(conn, "select private.current_check_version()")
    contact = conn.execute(
        "select id, name_cipher, phone_cipher, address_cipher, note_cipher, phone_hash from private.contacts"
    ).fetchone()
    assert contact is not None
    row = dict(zip(("contact_id", "name", "phone", "address", "note"), contact[:5], strict=True))
    again = encode.opened(KEYRING, row | {"contact_state": "ok"})
    assert again == encode.contact_of(record(1, seller_note="赠品一份"))
    assert contact[5] == KEYRING.blind("phone", "13800000001")


def test_no_clear_value_lies_in_the_staged_rows(conn: Connection) -> None:
    service = Rpc(conn)
    begun = begin(service, conn)
    row, verdict = encode.order_row(KEYRING, record(1), 7, "c")
    assert verdict is not None
    service("import_stage", p_import_id=begun["id"], p_chunk_no=0, p_rows=[row])
    text = one(conn, "select payload::text from private.import_rows")
    for clear in ("周强军", "13800000001", "文三路"):
        assert clear not in text


def test_clear_text_is_refused_before_it_is_stored(conn: Connection) -> None:
    service = Rpc(conn)
    begun = begin(service, conn)
    row, _ = encode.order_row(KEYRING, record(1), 7, "c")
    row["contact"]["phone"] = "13800000001"
    with pytest.raises(AppError, match=r"import\.clear_text"):
        service("import_stage", p_import_id=begun["id"], p_chunk_no=0, p_rows=[row])
    assert one(conn, "select count(*) from private.import_rows") == 0


def test_staged_rows_are_dropped_at_the_end(conn: Connection) -> None:
    bring(conn, [record(1), record(2)])
    for table in ("import_rows", "import_verdicts", "import_results"):
        assert one(conn, f"select count(*) from private.{table}") == 0
    assert one(conn, "select array_agg(action order by id) from audit_events where entity = 'import'") == [
        "begun",
        "done",
    ]


def test_the_same_file_twice_changes_nothing(conn: Connection) -> None:
    records = [record(1), record(2, phone="123")]
    first = bring(conn, records, file_hash="same")
    before = conn.execute("select id, version, contact_id from orders order by id").fetchall()
    second = bring(conn, records, file_hash="same")
    assert counts(second) == (0, 0, 2)
    assert second["exceptions"] == first["exceptions"] == {"bad_phone": 1}
    assert conn.execute("select id, version, contact_id from orders order by id").fetchall() == before
    assert one(conn, "select count(*) from private.contacts") == 2


def test_a_newer_file_updates_and_forgets_the_replaced_contact(conn: Connection) -> None:
    bring(conn, [record(1, phone="123", items=(item(quantity=2), item("S2", line_no=2)))])
    assert opened(conn) == {"NO00001": ["bad_phone"]}
    report = bring(conn, [record(1, amount=Decimal("40.00"))])
    assert counts(report) == (0, 1, 0)
    assert opened(conn) == {}
    assert order(conn, 1, "amount") == Decimal("40.00")
    assert conn.execute("select line_no, sku, quantity from order_items").fetchall() == [(1, "S1", 1)]
    assert one(conn, "select count(*) from private.contacts") == 1
    state = conn.execute("select state, decided_as from order_exceptions").fetchall()
    assert state == [("fixed", "system")]


# --- news and old news ---

STATUSES = ("unpaid", "to_ship", "shipped", "completed", "closed")


def test_a_status_never_goes_backwards(conn: Connection) -> None:
    pairs = list(itertools.product(STATUSES, STATUSES))
    bring(conn, [record(n, status=had, platform_status=had) for n, (had, _) in enumerate(pairs)])
    file = [record(n, status=told, platform_status="news") for n, (_, told) in enumerate(pairs)]
    report = bring(conn, file)
    is_news = [STATUSES.index(told) >= STATUSES.index(had) for had, told in pairs]
    expected = [
        (told, "news") if news else (had, had) for (had, told), news in zip(pairs, is_news, strict=True)
    ]
    found = conn.execute("select status, platform_status from orders order by order_no").fetchall()
    assert found == expected
    assert counts(report) == (0, sum(is_news), len(pairs) - sum(is_news))


@pytest.mark.parametrize(
    ("later", "kept"), [(timedelta(hours=1), "none"), (timedelta(hours=-1), "requested")]
)
def test_a_refund_is_only_withdrawn_by_a_file_that_is_not_older(
    conn: Connection, later: timedelta, kept: str
) -> None:
    newest = record(2, placed_at=TEN + timedelta(days=3))
    bring(conn, [record(1, refund="requested"), newest])
    assert opened(conn) == {"NO00001": ["refund_stop"]}
    moved = dataclasses.replace(newest, order_no="NO00003", placed_at=newest.placed_at + later, paid_at=None)
    bring(conn, [record(1), dataclasses.replace(moved, phone="13800000003")])
    assert order(conn, 1, "refund") == kept
    assert ("NO00001" in opened(conn)) is (kept == "requested")


def test_a_masked_file_does_not_wipe_a_full_contact(conn: Connection) -> None:
    bring(conn, [record(1)])
    report = bring(conn, [record(1, phone="138****0001", receiver="周**", platform_status="已打单")])
    assert counts(report) == (0, 1, 0)
    assert order(conn, 1, "contact_state", "platform_status", "is_checked") == ("ok", "已打单", True)
    assert one(conn, "select phone_hash from private.contacts") == KEYRING.blind("phone", "13800000001")


def test_a_correction_stays_while_the_file_says_the_same(conn: Connection) -> None:
    bring(conn, [record(1, phone="123")])
    conn.execute(
        "update orders set platform_facts_hash = facts_hash, facts_hash = 'corrected', phone_masked = '139****0000'"
    )
    bring(conn, [record(1, phone="123", amount=Decimal("9.00"))])
    assert order(conn, 1, "facts_hash", "phone_masked", "amount") == (
        "corrected",
        "139****0000",
        Decimal("9.00"),
    )
    bring(conn, [record(1, phone="13800000009", amount=Decimal("9.00"))])
    assert order(conn, 1, "phone_masked", "platform_facts_hash") == ("138****0009", None)


def test_shipping_in_spite_of_a_hold_is_an_incident(conn: Connection) -> None:
    bring(conn, [record(1, phone="123"), record(2), record(3, status="unpaid", paid_at=None)])
    sent = {"status": "shipped", "platform_status": "已发货", "shipped_at": TEN + timedelta(days=1)}
    bring(conn, [record(1, phone="123", **sent), record(2, **sent), record(3, **sent)])
    breaches = conn.execute(
        "select o.order_no, b.kinds from hold_breaches b join orders o on o.id = b.order_id"
    ).fetchall()
    assert breaches == [("NO00001", ["bad_phone"])]
    assert opened(conn) == {}


# --- products ---


def test_a_stock_file_counts_new_changed_and_same(conn: Connection) -> None:
    assert counts(bring(conn, [stock(2, "S1", 5), stock(3, "S2", 1)], kind="products")) == (2, 0, 0)
    assert counts(bring(conn, [stock(2, "S1", 4), stock(3, "S2", 1)], kind="products")) == (0, 1, 1)
    nameless = ProductRecord(2, "S1", None, None, 3, 20)
    bring(conn, [nameless], kind="products")
    assert conn.execute(
        "select name, spec, available, safety_stock from products where sku = 'S1'"
    ).fetchone() == (
        "保温杯",
        "黑色",
        3,
        20,
    )


def test_products_are_found_by_code_else_by_exact_name(conn: Connection) -> None:
    catalogue = [
        stock(2, "S1", 5, "保温杯", "黑色"),
        stock(3, "S2", 5, "保温杯", "白色"),
        stock(4, "S3", 5, "雨伞", "三折"),
        stock(5, "S4", 5, "雨伞 三折", "儿童"),
        stock(6, "S5", 5, "毛巾", ""),
    ]
    bring(conn, catalogue, kind="products")
    lines = {
        ("S2", "别的名字", ""): "S2",
        ("S9", "毛巾", ""): None,
        (None, "毛巾", ""): "S5",
        (None, "保温杯", "白色"): "S2",
        (None, "保温杯 黑色", ""): "S1",
        (None, "保温杯", ""): None,
        (None, "雨伞 三折", ""): None,
        (None, "雨伞", "三折"): "S3",
    }
    records = [
        record(n, items=(item(sku, name=name, spec=spec),))
        for n, (sku, name, spec) in enumerate(lines, start=1)
    ]
    bring(conn, records)
    query = """select p.sku from order_items i join orders o on o.id = i.order_id
        left join products p on p.id = i.product_id order by o.order_no"""
    assert [row[0] for row in conn.execute(query).fetchall()] == list(lines.values())


def test_a_stock_file_resolves_and_clears(conn: Connection) -> None:
    bring(conn, [record(1), record(2), record(3, items=(item(None),))])
    assert opened(conn) == {}, "an unknown product is not out of stock"
    bring(conn, [stock(2, "S1", 1)], kind="products")
    assert opened(conn) == {"NO00002": ["out_of_stock"], "NO00003": ["out_of_stock"]}
    bring(conn, [stock(2, "S1", 2)], kind="products")
    assert opened(conn) == {"NO00003": ["out_of_stock"]}


# --- parcels ---


def parcel(row: int, order_no: str | None, **changes: Any) -> ShipmentRecord:
    values: dict[str, Any] = {
        "row": row,
        "order_no": order_no,
        "tracking_no": f"SF{row}",
        "carrier": "顺丰",
        "shipped_at": TEN + timedelta(days=2),
        "last_scan_at": TEN + timedelta(days=3),
        "last_scan_text": "已到达杭州",
        "signed_at": None,
    }
    return ShipmentRecord(**(values | changes))


def test_a_parcel_ships_its_order_and_scans_move_forward(conn: Connection) -> None:
    bring(conn, [record(1, phone="123"), record(2)])
    report = bring(conn, [parcel(2, "NO00001"), parcel(3, "NO00002")], kind="shipments")
    assert counts(report) == (2, 0, 0)
    assert order(conn, 1, "status", "tracking_no", "carrier") == ("shipped", "SF2", "顺丰")
    assert opened(conn) == {}
    assert one(conn, "select array_agg(kinds) from hold_breaches") == [["bad_phone"]]
    assert counts(bring(conn, [parcel(2, "NO00001")], kind="shipments")) == (0, 0, 1)
    old = parcel(2, "NO00001", last_scan_at=TEN, last_scan_text="已揽收")
    assert counts(bring(conn, [old], kind="shipments")) == (0, 0, 1)
    assert order(conn, 1, "last_scan_text") == "已到达杭州"
    signed = parcel(
        2,
        None,
        signed_at=TEN + timedelta(days=4),
        last_scan_at=TEN + timedelta(days=4),
        last_scan_text="已签收",
    )
    assert counts(bring(conn, [signed], kind="shipments")) == (0, 1, 0)
    assert order(conn, 1, "signed_at", "last_scan_text") == (TEN + timedelta(days=4), "已签收")
    bring(conn, [record(1, phone="123", amount=Decimal("1.00"))])
    assert order(conn, 1, "status") == "shipped", "an order file of the morning does not unship it"


def test_a_parcel_of_no_order_is_named_and_refuses_a_strict_file(conn: Connection) -> None:
    bring(conn, [record(1)])
    report = bring(conn, [parcel(2, "NO00001"), parcel(3, "NOPE")], kind="shipments", strict=True)
    assert report["state"] == "refused"
    assert order(conn, 1, "status") == "to_ship"
    report = bring(conn, [parcel(2, "NO00001"), parcel(3, "NOPE")], kind="shipments")
    assert [(entry["row"], "NOPE" in entry["reason"]) for entry in report["rejected"]] == [(3, True)]
    assert order(conn, 1, "status") == "shipped"


# --- refusing and rejecting ---

BAD = Rejected(9, "数量", "quantity", {"value": "-1"})


def test_good_rows_are_taken_and_bad_ones_listed(conn: Connection) -> None:
    report = bring(conn, [record(1)], rejected=[BAD])
    assert counts(report) == (1, 0, 0)
    assert [(entry["row"], entry["column"]) for entry in report["rejected"]] == [(9, "数量")]
    assert conn.execute("select row_no, column_name, reason from import_errors").fetchall() == [
        (9, "数量", "quantity")
    ]


def test_strict_refuses_before_anything_is_applied(conn: Connection) -> None:
    report = bring(conn, [record(1)], rejected=[BAD], strict=True)
    assert (report["state"], counts(report)) == ("refused", (0, 0, 0))
    assert one(conn, "select count(*) from orders") == 0
    assert one(conn, "select count(*) from private.import_rows") == 0


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("status", "lost"),
        ("placed_at", "gestern"),
        ("refund", "maybe"),
        ("items", [{"line_no": 1, "quantity": 0}]),
    ],
)
def test_a_malformed_row_of_a_hostile_client_is_refused(conn: Connection, field: str, value: Any) -> None:
    service = Rpc(conn)
    begun = begin(service, conn)
    row, _ = encode.order_row(KEYRING, record(1), 7, "c")
    service("import_stage", p_import_id=begun["id"], p_chunk_no=0, p_rows=[row | {field: value}])
    service("import_ready", p_import_id=begun["id"], p_records=1, p_as_of=None)
    with pytest.raises(AppError, match=r"import\.bad_row"):
        service("import_apply", p_import_id=begun["id"], p_limit=10)
    assert one(conn, "select count(*) from orders") == 0


# --- going on after a crash ---


def begin(call: Rpc, conn: Connection, file_hash: str = "h", **changes: Any) -> dict[str, Any]:
    values: dict[str, Any] = {
        "p_kind": "orders",
        "p_shop_id": shop_of(conn).id,
        "p_platform": "own",
        "p_file_name": "test.csv",
        "p_file_hash": file_hash,
        "p_is_strict": False,
        "p_rows_total": 1,
        "p_request_id": str(uuid.uuid4()),
    }
    answer: dict[str, Any] = call("import_begin", **(values | changes))
    return answer


class Dies(Exception):  # noqa: N818 - the process is gone
    """Stands for kill -9 in the middle of an import."""


class Mortal(Rpc):
    """Dies right before the call that `is_last` picks."""

    is_last: Callable[[str, int], bool] = staticmethod(lambda _name, _number: False)
    calls = 0

    def __call__(self, name: str, **params: Any) -> Any:
        if self.is_last(name, self.calls):
            raise Dies
        self.calls += 1
        return super().__call__(name, **params)


def test_the_same_file_goes_on_wherever_it_was_killed(
    conn: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("backend.imports.importer.CHUNK", 2)
    for fatal in range(20):
        records = [record(10 * fatal + n, **({"phone": "123"} if n == 3 else {})) for n in range(1, 6)]
        dying = Mortal(conn)
        dying.is_last = lambda _name, number, fatal=fatal: number == fatal
        importer = Importer(dying, Rpc(conn), KEYRING)
        with pytest.raises(Dies):
            runner._Run(importer, parsed("orders", records), shop_of(conn), "x.csv", f"h{fatal}", False).run()
        report = bring(conn, records, file_hash=f"h{fatal}")
        assert report["accepted"] + report["unchanged"] == 5, fatal
        assert report["exceptions"] == {"bad_phone": 1}, fatal
        assert one(conn, "select count(*) from orders") == 5 * (fatal + 1)
    assert one(conn, "select count(*) from order_items") == 100
    assert one(conn, "select count(*) from private.contacts") == 100
    assert one(conn, "select bool_and(is_checked) from orders")
    assert one(conn, "select count(*) from imports where finished_at is null") == 0
    assert dying.calls == 19, "the last round died at the very last call"


def test_every_answer_may_be_lost(conn: Connection) -> None:
    """The gateway dies after each commit: every call is made twice."""

    class Twice(Rpc):
        def __call__(self, name: str, **params: Any) -> Any:
            super().__call__(name, **params)
            return super().__call__(name, **params)

    records = [record(1), record(2, phone="123")]
    report = bring(conn, records, call=Twice(conn), rejected=[BAD])
    assert counts(report) == (2, 0, 0)
    assert one(conn, "select count(*) from imports") == 1
    assert one(conn, "select count(*) from import_errors") == 1
    assert opened(conn) == {"NO00002": ["bad_phone"]}


def test_another_file_waits_and_after_two_minutes_takes_over(conn: Connection) -> None:
    service = Rpc(conn)
    clock(conn, TEN)
    first = begin(service, conn, "first")
    with pytest.raises(AppError, match=r"import\.busy") as busy:
        begin(service, conn, "second")
    assert busy.value.params["file"] == "test.csv"
    clock(conn, TEN + timedelta(seconds=121))
    second = begin(service, conn, "second")
    assert second["id"] != first["id"]
    assert one(conn, "select state from imports where id = %s", first["id"]) == "cancelled"
    assert one(conn, "select count(*) from imports where state = 'staging'") == 1


def test_a_colleague_goes_on_only_with_what_was_abandoned(conn: Connection) -> None:
    shop = shop_of(conn)
    owner = Rpc(conn, add_member(conn, "operations", shop.id, staff_no="owner"))
    other = Rpc(conn, add_member(conn, "operations", shop.id))
    clock(conn, TEN)
    begun = begin(owner, conn)
    with pytest.raises(AppError, match=r"import\.busy") as busy:
        begin(other, conn)
    assert busy.value.params["who"] == "owner"
    clock(conn, TEN + timedelta(seconds=121))
    assert begin(other, conn)["id"] == begun["id"]
    with pytest.raises(AppError, match=r"import\.none"):
        owner("import_ready", p_import_id=begun["id"], p_records=0, p_as_of=None)


def test_what_a_cancelled_import_applied_is_unchecked_until_somebody_looks(conn: Connection) -> None:
    service = Rpc(conn)
    begun = stage(service, conn, [record(1), record(2, status="unpaid", paid_at=None)])
    service("import_apply", p_import_id=begun["id"], p_limit=10)
    assert order(conn, 1, "is_checked")
    service("import_cancel", p_import_id=begun["id"])
    assert not order(conn, 1, "is_checked")
    assert not one(conn, "select private.is_releasable(id) from orders where order_no = 'NO00001'")
    waiting = "select array_agg(kind order by kind) from private.jobs where kind in ('recheck_orders', 'evaluate_shop')"
    assert one(conn, waiting) == ["evaluate_shop", "recheck_orders"]
    report = bring(conn, [record(1), record(2, status="unpaid", paid_at=None)])
    assert (counts(report), report["exceptions"]) == ((0, 0, 2), {"unpaid": 1})
    assert order(conn, 1, "is_checked")


def test_nothing_is_released_while_an_import_runs(conn: Connection) -> None:
    bring(conn, [record(1)])
    releasable = "select private.is_releasable(id) from orders"
    assert one(conn, releasable)
    begun = begin(Rpc(conn), conn)
    assert not one(conn, releasable)
    Rpc(conn)("import_cancel", p_import_id=begun["id"])
    assert one(conn, releasable)


def stage(service: Rpc, conn: Connection, records: Sequence[OrderRecord]) -> dict[str, Any]:
    """An import that is staged, judged and ready to be applied."""
    begun = begin(service, conn)
    rules = runner.check_rules(service, shop_of(conn).id)
    pairs = [
        encode.order_row(KEYRING, r, 90 + r.row, encode.content_hash(KEYRING, r), rules.params)
        for r in records
    ]
    verdicts = [verdict for _, verdict in pairs if verdict]
    service(
        "service_import_verdicts", p_import_id=begun["id"], p_verdicts=verdicts, p_rules_version=rules.version
    )
    service("import_stage", p_import_id=begun["id"], p_chunk_no=0, p_rows=[row for row, _ in pairs])
    service("import_ready", p_import_id=begun["id"], p_records=len(records), p_as_of=None)
    return begun


def clock(conn: Connection, at: datetime) -> None:
    conn.execute("update private.test_clock set at = %s", (at,))


# --- rights ---

MAY = {
    "agent": set(),
    "warehouse": {"products", "shipments"},
    "operations": {"orders", "products", "shipments"},
    "analyst": set(),
    "manager": {"orders", "products", "shipments"},
    "admin": {"orders", "products", "shipments"},
}


@pytest.mark.parametrize("role", MAY)
def test_who_may_import_what(conn: Connection, role: str) -> None:
    shop = shop_of(conn)
    call = Rpc(conn, add_member(conn, role, shop.id))
    for kind in ("orders", "products", "shipments"):
        if kind in MAY[role]:
            begun = begin(call, conn, kind, p_kind=kind)
            call("import_cancel", p_import_id=begun["id"])
        else:
            with pytest.raises(AppError, match=r"member\.role"):
                begin(call, conn, kind, p_kind=kind)
    assert one(conn, "select count(*) from imports") == len(MAY[role])


def test_nobody_imports_into_a_shop_of_others(conn: Connection) -> None:
    other = add_shop(conn, "two")
    call = Rpc(conn, add_member(conn, "manager", other))
    with pytest.raises(AppError, match=r"shop\.none"):
        begin(call, conn)
    assert one(conn, "select count(*) from imports") == 0


def test_nobody_touches_the_import_of_another(conn: Connection) -> None:
    shop = shop_of(conn)
    owner = Rpc(conn, add_member(conn, "operations", shop.id))
    other = Rpc(conn, add_member(conn, "operations", shop.id))
    begun = begin(owner, conn)
    row, _ = encode.order_row(KEYRING, record(1), 7, "c")
    attempts = [
        ("import_stage", {"p_chunk_no": 0, "p_rows": [row]}),
        ("import_reject", {"p_errors": [{"row": 1, "reason": "quantity"}]}),
        ("import_ready", {"p_records": 0, "p_as_of": None}),
        ("import_known", {"p_items": json.dumps([])}),
        ("import_apply", {"p_limit": 1}),
        ("import_check", {"p_limit": 1}),
        ("import_finish", {}),
        ("import_cancel", {}),
    ]
    for name, params in attempts:
        with pytest.raises(AppError, match=r"import\.none"):
            other(name, p_import_id=begun["id"], **params)
    assert conn.execute("select state, rows_staged, rejected from imports").fetchall() == [("staging", 0, 0)]


def test_a_person_cannot_write_verdicts(conn: Connection) -> None:
    call = Rpc(conn, add_member(conn, "manager", shop_of(conn).id))
    begun = begin(call, conn)
    with pytest.raises(AppError, match=r"access\.denied"):
        call("service_import_verdicts", p_import_id=begun["id"], p_verdicts=[], p_rules_version="1.0")
    with pytest.raises(AppError, match=r"access\.denied"):
        call("service_order_verdicts", p_rules_version="1.0", p_verdicts=[])


def test_a_person_imports_with_own_rights(conn: Connection) -> None:
    shop = shop_of(conn)
    report = bring(conn, [record(1)], call=Rpc(conn, add_member(conn, "operations", shop.id)))
    assert counts(report) == (1, 0, 0)
    assert one(conn, "select actor from imports") == "operations"


def test_parcels_without_a_shop_reach_only_own_shops(conn: Connection) -> None:
    bring(conn, [record(1)])
    stranger = Rpc(conn, add_member(conn, "warehouse", add_shop(conn, "two")))
    report = bring(conn, [parcel(2, "NO00001")], kind="shipments", call=stranger)
    assert [entry["row"] for entry in report["rejected"]] == [2]
    assert order(conn, 1, "status") == "to_ship"


# --- preview, shops of commands, mappings ---


def test_a_preview_says_what_would_happen_and_does_nothing(conn: Connection) -> None:
    bring(conn, [record(1), record(2), record(3, status="shipped")])
    file = [
        record(1),
        record(2, phone="139****0002", amount=Decimal("1.00")),
        record(3),
        record(4, phone="123"),
    ]
    importer = Importer(Rpc(conn), Rpc(conn), KEYRING)
    before = conn.execute("select id, version from orders order by id").fetchall()
    report = runner.preview(importer, parsed("orders", file), shop_of(conn))
    assert counts(report) == (1, 1, 2)
    assert report["exceptions"] == {"bad_phone": 1}, "a masked phone takes no phone away that we have"
    assert any("1" in note for note in report["notes"]), "how many masked orders cannot be judged"
    assert conn.execute("select id, version from orders order by id").fetchall() == before
    assert one(conn, "select count(*) from imports") == 1
    assert bring(conn, file)["exceptions"] == report["exceptions"]


@pytest.mark.parametrize("is_known", [False, True])
@pytest.mark.parametrize("name", ["taobao_ExportOrderList", "jd_orders", "douyin_orders"])
def test_the_preview_of_a_sample_is_what_its_import_does(conn: Connection, name: str, is_known: bool) -> None:
    platform = name.partition("_")[0]
    importer = Importer(Rpc(conn), Rpc(conn), KEYRING)
    runner.import_file(importer, SAMPLES / "stock.csv", name="stock.csv", kind="products")
    file = SAMPLES / f"{name}.csv"
    if is_known:
        add_shop(conn, "known", platform)
    shop = shop_of(conn, "known") if is_known else None
    seen = runner.import_file(importer, file, name=file.name, shop=shop, platform=platform, dry_run=True)
    assert one(conn, "select count(*) from orders") == 0
    if not is_known:
        add_shop(conn, "known", platform)
    done = runner.import_file(importer, file, name=file.name, shop=shop_of(conn, "known"), platform=platform)
    assert {"duplicate", "out_of_stock", "remote"} <= set(seen["exceptions"])
    compared = ("rows", "accepted", "updated", "unchanged", "rejected", "exceptions")
    assert {key: seen[key] for key in compared} == {key: done[key] for key in compared}


def test_a_preview_knows_the_orders_that_are_here_and_blocks_nobody(conn: Connection) -> None:
    bring(conn, [stock(2, "S1", 1)], kind="products")
    bring(conn, [record(1)])
    conn.execute("update imports set state = 'checking', finished_at = null where kind = 'orders'")
    importer = Importer(Rpc(conn), Rpc(conn), KEYRING)
    twin = record(2, placed_at=record(1).placed_at, phone=record(1).phone, buyer_account="buyer1")
    report = runner.preview(importer, parsed("orders", [record(1), twin]), shop_of(conn))
    assert report["exceptions"] == {"duplicate": 2, "out_of_stock": 1}
    assert counts(report) == (1, 0, 1)
    assert one(conn, "select count(*) from order_exceptions") == 0


def test_a_member_previews_for_his_own_shop_only(conn: Connection) -> None:
    stranger = Rpc(conn, add_member(conn, "operations", add_shop(conn, "two")))
    for shop, key in ((shop_of(conn), r"shop\.none"), (None, r"import\.shop_missing")):
        with pytest.raises(AppError, match=key):
            runner.preview(Importer(stranger, Rpc(conn), KEYRING), parsed("orders", [record(1)]), shop)


def test_a_file_too_big_to_try_says_what_it_leaves_out(
    conn: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trial, "MOST", 1)
    importer = Importer(Rpc(conn), Rpc(conn), KEYRING, lang="en")
    report = runner.preview(importer, parsed("orders", [record(1), record(2, phone="123")]), shop_of(conn))
    assert report["exceptions"] == {"bad_phone": 1}
    assert any("More than 1 orders" in note for note in report["notes"])


def test_the_shop_of_a_command(conn: Connection, service: Rpc) -> None:
    assert service("service_ensure_shop", p_platform="jd", p_code=None, p_create=False) is None
    made = service("service_ensure_shop", p_platform="jd", p_code=None, p_create=True)
    assert (made["code"], made["platform"]) == ("jd", "jd")
    assert service("service_ensure_shop", p_platform="jd", p_code=None, p_create=True) == made
    assert service("service_ensure_shop", p_platform="own", p_code=None, p_create=True)["code"] == "one"
    add_shop(conn, "jd-two", "jd")
    with pytest.raises(AppError, match=r"import\.shop_ambiguous"):
        service("service_ensure_shop", p_platform="jd", p_code=None, p_create=True)
    with pytest.raises(AppError, match=r"shop\.unknown_code"):
        service("service_ensure_shop", p_platform="jd", p_code="nope", p_create=True)


def test_a_mapping_is_remembered_per_shop(conn: Connection, service: Rpc) -> None:
    shop = shop_of(conn)
    call = Rpc(conn, add_member(conn, "operations", shop.id))
    values = {"p_shop_id": shop.id, "p_kind": "orders", "p_signature": "s", "p_tool": "旺店通"}
    for header in ("单号", "订单编号"):
        mapping = {"order_no": header}
        call("save_mapping", **values, p_mapping=mapping, p_request_id=str(uuid.uuid4()))
    found = service("service_find_mapping", p_shop_id=shop.id, p_kind="orders", p_signature="s")
    assert found == {"kind": "orders", "mapping": {"order_no": "订单编号"}}
    other = add_shop(conn, "two")
    assert service("service_find_mapping", p_shop_id=other, p_kind="orders", p_signature="s") is None
    agent = Rpc(conn, add_member(conn, "agent", shop.id))
    with pytest.raises(AppError, match=r"member\.role"):
        agent("save_mapping", **values, p_mapping={}, p_request_id=str(uuid.uuid4()))
    assert one(conn, "select count(*) from import_mappings") == 1
