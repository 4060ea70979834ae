"""Orders over HTTP, as the pages use them: backend.orders, files, home, search and saved views."""

from __future__ import annotations

import csv
import io
import itertools
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from supabase import Client

from backend import db, exports, home, pii, search, views
from backend.config import Settings
from backend.errors import AppError
from backend.imports import encode
from backend.local.stack import Stack
from backend.orders import commands, files, reads
from backend.orders.models import ItemRef, OrderDetail, OrderRef, QueueFilter
from backend.service import Service
from tests.people import Account, add_shop, hire, settings_of
from tests.sql.desk import add_order

PHONE = "13800005678"
_numbers = itertools.count(690000000000001)


@pytest.fixture(scope="module")
def settings(stack: Stack) -> Settings:
    return settings_of(stack)


@pytest.fixture(scope="module")
def keyring(stack: Stack) -> pii.Keyring:
    return pii.Keyring.parse(stack.pii_key)


@pytest.fixture(scope="module")
def people(stack: Stack) -> dict[str, Account]:
    """One person of each kind for a shop of this module alone."""
    shop = add_shop(stack, "queue-http")
    wanted = {
        "ann": ("agent", ("review",)), "ben": ("agent", ("review",)), "cid": ("agent", ("presales",)),
        "ops": ("operations", ()), "mgr": ("manager", ()), "whs": ("warehouse", ()), "ana": ("analyst", ()),
    }  # fmt: skip
    return {name: hire(stack, role, shops=[shop], skills=skills) for name, (role, skills) in wanted.items()}


@pytest.fixture
def client(settings: Settings, people: dict[str, Account]) -> Callable[[str], Client]:
    """The client of a person."""
    return lambda name: db.user_client(settings, people[name].session.access_token)


@pytest.fixture
def owner(stack: Stack) -> Iterator[psycopg.Connection[Any]]:
    """The database as its owner, to build orders; the shop is empty again afterwards."""
    with psycopg.connect(stack.db_url, autocommit=True) as conn:
        yield conn
        conn.execute("""
            update orders set released_at = null, release_id = null, held_at = null, held_reason = null,
                status = 'closed'
            where shop_id = (select id from shops where code = 'queue-http');
            update order_exceptions set state = 'fixed', decided_at = private.now()
            where shop_id = (select id from shops where code = 'queue-http')
              and state in ('open', 'waiting_customer');
            select private.refresh_reviews(array_agg(id), private.now()) from orders
            where shop_id = (select id from shops where code = 'queue-http')""")


def order(owner: psycopg.Connection[Any], *kinds: str, **more: Any) -> int:
    return add_order(owner, str(next(_numbers)), kinds, shop="queue-http", **more)


def with_contact(
    owner: psycopg.Connection[Any], keyring: pii.Keyring, order_id: int, contact: encode.Contact
) -> None:
    """Give the order this contact, encrypted as an import does it, not yet judged."""
    row = owner.execute("select nextval('private.contact_ids')").fetchone()
    assert row is not None
    sealed = encode.seal(keyring, contact, row[0])
    cells = sealed.cells
    owner.execute(
        """insert into private.contacts (id, kind, name_cipher, phone_cipher, address_cipher, note_cipher,
               name_hash, phone_hash, phone_last4_hash) values (%s, 'order', %s, %s, %s, %s, %s, %s, %s)""",
        (
            row[0],
            *(
                cells[name]
                for name in (
                    "name",
                    "phone",
                    "address",
                    "note",
                    "name_hash",
                    "phone_hash",
                    "phone_last4_hash",
                )
            ),
        ),
    )
    owner.execute(
        """update orders set contact_id = %s, receiver_masked = %s, phone_masked = %s, facts_hash = %s,
               checked_facts_hash = null where id = %s""",
        (row[0], cells["name_masked"], cells["phone_masked"], sealed.facts_hash, order_id),
    )


def contact(phone: str = PHONE) -> encode.Contact:
    return encode.Contact(
        receiver="张小明", phone=phone, province="浙江省", city="杭州市", district="西湖区",
        address="文三路 100 号 3 幢 201 室", postcode=None, buyer_note="放门卫", seller_note=None,
    )  # fmt: skip


def shown(client: Client, order_id: int) -> OrderDetail:
    found = reads.detail(client, order_id)
    assert found is not None
    return found


def refs(client: Client, order_id: int) -> list[ItemRef]:
    return [
        ItemRef(id=e.id, version=e.version, order_id=order_id) for e in shown(client, order_id).exceptions
    ]


def refused(call: Callable[[], object]) -> str:
    with pytest.raises(AppError) as caught:
        call()
    assert caught.value.message("zh-CN") != caught.value.message("en")
    return caught.value.key


As = Callable[[str], Client]


def test_claim_look_decide_undo(owner: psycopg.Connection[Any], client: As, keyring: pii.Keyring) -> None:
    first = order(owner, "remote", evidence={"province": "新疆"})
    ann, ben = client("ann"), client("ben")
    request = uuid4()
    (mine,) = commands.claim_next(ann, request_id=request)
    assert (mine.order_id, mine.kinds) == (first, ("remote",))
    assert commands.claim_next(ann, request_id=request) == (mine,)
    assert commands.claim_next(ben, request_id=uuid4()) == ()
    assert refused(lambda: commands.claim(ben, first, request_id=uuid4())) == "review.claimed"
    assert commands.keep_claims(ann, [first]) == 0
    page = reads.queue(ann, QueueFilter(owner="me"))
    assert [(r.order_id, r.exceptions[0].evidence) for r in page.rows] == [(first, {"province": "新疆"})]
    done = commands.decide(
        ann,
        refs(ann, first),
        "waived",
        reason="other",
        note="客户电话里说可以",
        keyring=keyring,
        request_id=uuid4(),
    )
    assert (done.done, done.refused) == (1, ())
    (exception,) = shown(ann, first).exceptions
    assert exception.note_cipher is not None
    assert reads.note_text(keyring, first, exception.note_cipher) == "客户电话里说可以"
    assert done.batch_id is not None
    assert refused(lambda: commands.undo(ben, int(done.batch_id or 0), request_id=uuid4())) == "undo.none"
    assert commands.undo(ann, done.batch_id, request_id=uuid4()) == 1
    assert shown(ann, first).exceptions[0].state == "open"
    assert [event.action for event in reads.timeline(ann, first)].count("decision_undone") == 1


def test_taking_over_and_giving_back(owner: psycopg.Connection[Any], client: As) -> None:
    first = order(owner, "remote")
    (mine,) = commands.claim(client("ann"), first, request_id=uuid4())
    assert (
        refused(lambda: commands.take_over(client("ben"), first, mine.version + 5, request_id=uuid4()))
        == "order.stale"
    )
    (taken,) = commands.take_over(client("ben"), first, mine.version, request_id=uuid4())
    assert taken.order_id == first
    assert commands.give_back(client("ann"), [first], request_id=uuid4()) == 0
    assert commands.give_back(client("ben"), [first], request_id=uuid4()) == 1


def test_who_may_not_is_told_why(owner: psycopg.Connection[Any], client: As) -> None:
    dear = order(owner, "remote", amount=5000)
    assert refused(lambda: commands.claim_next(client("cid"), request_id=uuid4())) == "review.not_reviewer"
    assert refused(lambda: commands.claim_next(client("ana"), request_id=uuid4())) == "member.role"
    ann = client("ann")
    right = (shown(ann, dear).exceptions[0].rights or {})["waived"]
    assert (right.key, (right.params or {})["limit"]) == ("exception.needs_manager", 1000)
    preview = commands.preview(ann, "waived", items=refs(ann, dear))
    assert (preview.count, preview.ok, preview.refused[0]["key"]) == (1, 0, "exception.needs_manager")
    (answer,) = commands.decide(ann, refs(ann, dear), "waived", reason="verified", request_id=uuid4()).refused
    assert answer.key == "exception.needs_manager"
    assert (
        commands.decide(client("mgr"), refs(ann, dear), "waived", reason="verified", request_id=uuid4()).done
        == 1
    )


def test_all_of_the_same_at_once(owner: psycopg.Connection[Any], client: As) -> None:
    for _ in range(3):
        order(owner, "remote", evidence={"province": "西藏"})
    ann = client("ann")
    (group,) = [g for g in reads.same_groups(ann) if g.same_key == "西藏"]
    wanted = QueueFilter(kind=group.kind, same_key=group.same_key)
    assert commands.preview_matching(ann, "waived", wanted).ok == 3
    call = lambda count: commands.decide_matching(  # noqa: E731
        ann, wanted, count, "waived", reason="customer_confirmed", request_id=uuid4()
    )
    assert refused(lambda: call(2)) == "bulk.count_changed"
    assert call(3).done == 3


def test_a_duplicate_group(owner: psycopg.Connection[Any], client: As) -> None:
    orders = [order(owner, "duplicate", group="duplicate:http") for _ in range(2)]
    ann = client("ann")
    detail = shown(ann, orders[0])
    items = [
        ItemRef(id=e.id, version=e.version, order_id=row.order_id)
        for row in detail.group
        for e in row.exceptions
    ]
    done = commands.decide_group(
        ann,
        detail.order.shop_id,
        "duplicate:http",
        items,
        "keep_one",
        keep_order_id=orders[0],
        request_id=uuid4(),
    )
    assert (done.kept, done.cancelled) == (1, 1)
    assert shown(ann, orders[1]).order.held_reason == "cancelled"


def test_a_correction_is_judged_at_once(
    owner: psycopg.Connection[Any], client: As, keyring: pii.Keyring, settings: Settings
) -> None:
    wrong = order(owner, "bad_phone", evidence={"problem": "length", "digits": 9})
    with_contact(owner, keyring, wrong, contact("138000056"))
    ann = client("ann")
    before = shown(ann, wrong).order
    call = lambda phone, version: commands.correct(  # noqa: E731
        ann, Service(settings), keyring, order_id=wrong, version=version, shop_id=before.shop_id,
        request_id=uuid4(), changes={"phone": phone},
    )  # fmt: skip
    assert call("1380000567", before.version) is False
    assert shown(ann, wrong).exceptions[0].state == "open"
    assert refused(lambda: call(PHONE, before.version)) == "order.stale"
    assert call(PHONE, shown(ann, wrong).order.version) is True
    after = shown(ann, wrong)
    assert (after.exceptions[0].state, after.order.phone_masked, after.order.is_checked) == (
        "fixed",
        "138****5678",
        True,
    )
    clear = reads.reveal(ann, keyring, wrong, reason="address_check")
    assert (clear.receiver, clear.phone, clear.note) == ("张小明", PHONE, "放门卫")
    assert clear.address == "浙江省 杭州市 西湖区 文三路 100 号 3 幢 201 室"


def test_a_new_address_brings_its_own_region(
    owner: psycopg.Connection[Any], client: As, keyring: pii.Keyring, settings: Settings
) -> None:
    moved = order(owner, "mismatch", evidence={"left": "江苏省", "right": "杭州市", "level": "city"})
    with_contact(owner, keyring, moved, contact())
    ann = client("ann")
    facts = shown(ann, moved).order
    assert commands.correct(
        ann, Service(settings), keyring, order_id=moved, version=facts.version, shop_id=facts.shop_id,
        request_id=uuid4(), changes={"address": "江苏省南京市鼓楼区中山路 1 号 2 幢 301 室"},
    )  # fmt: skip
    now = shown(ann, moved).order
    assert (now.province, now.city, now.district) == ("江苏省", "南京市", "鼓楼区")


def test_opening_a_contact(owner: psycopg.Connection[Any], client: As, keyring: pii.Keyring) -> None:
    one = order(owner)
    with_contact(owner, keyring, one, contact())
    assert refused(lambda: reads.reveal(client("ops"), keyring, one)) == "reveal.reason"
    assert refused(lambda: reads.reveal(client("ana"), keyring, one, reason="courier")) == "member.role"
    assert reads.reveal(client("ops"), keyring, one, reason="courier").phone == PHONE


def test_release_lists_holds_and_files(
    owner: psycopg.Connection[Any], client: As, keyring: pii.Keyring
) -> None:
    good, other, blocked = order(owner), order(owner), order(owner, "remote")
    with_contact(owner, keyring, good, contact())
    owner.execute("update orders set checked_facts_hash = facts_hash where id = %s", (good,))
    owner.execute(
        "insert into order_items (order_id, shop_id, line_no, sku, name, quantity)"
        " select id, shop_id, 1, '=S1', '杯', 2 from orders where id = any(%s)",
        ([good, other],),
    )
    ops = client("ops")
    chosen = [OrderRef(id=o, version=shown(ops, o).order.version) for o in (good, other, blocked)]
    assert commands.preview_release(ops, chosen).ok == 2
    assert reads.ready(ops)["count"] == 2
    assert refused(lambda: commands.release(client("ann"), chosen, request_id=uuid4())) == "member.role"
    done = commands.release(ops, chosen, request_id=uuid4())
    assert (done.done, done.refused[0].key) == (2, "order.blocked")
    list_id = done.releases[0]["id"]
    assert (
        refused(lambda: commands.undo_release(client("whs"), list_id, request_id=uuid4()))
        == "release.undo_right"
    )
    assert commands.undo_release(ops, list_id, request_id=uuid4()) == 2
    again = commands.release_ready(ops, 2, request_id=uuid4())
    list_id = again.releases[0]["id"]
    assert refused(lambda: listed(client("ana"), keyring, list_id)) == "member.role"
    found = listed(client("whs"), keyring, list_id)
    assert (found.orders, found.unreadable) == (2, 0)
    assert [(r["name"], r["phone"], r["quantity"]) for r in found.rows] == [("张小明", PHONE, 2), ("", "", 2)]
    assert found.rows[0]["address"] == contact().address
    assert "'=S1" in exports.write_csv(found.rows, [("sku", "SKU")]).decode()
    assert refused(lambda: commands.undo_release(ops, list_id, request_id=uuid4())) == "release.downloaded"
    picked = files.pick_list(client("whs"), list_id)
    assert [(sku["quantity"], sku["orders"]) for sku in picked["by_sku"]] == [(4, 2)]
    assert len(picked["by_order"]) == 2
    stop_again(ops, client("whs"), keyring, good)
    assert [r.kind for r in reads.releases(ops)][:2] == ["hold", "hold"]


def stop_again(ops: Client, warehouse: Client, keyring: pii.Keyring, order_id: int) -> None:
    """追加拦截 after the download, the hold lists, and lifting it."""
    ref = OrderRef(id=order_id, version=shown(ops, order_id).order.version)
    held = commands.add_hold(warehouse, [ref], "customer_asked", request_id=uuid4())
    rows = listed(warehouse, keyring, held.releases[0]["id"]).rows
    assert [(r["held_reason"], r["receiver_masked"]) for r in rows] == [("customer_asked", "张**")]
    assert reads.holds(ops)["rows"][0]["is_in_erp"] is True
    assert commands.make_hold_list(ops, request_id=uuid4()).done == 2
    ref = OrderRef(id=order_id, version=shown(ops, order_id).order.version)
    assert commands.lift_hold(ops, [ref], request_id=uuid4()).done == 1


def listed(client: Client, keyring: pii.Keyring, release_id: int) -> files.Listed:
    return files.listed(client, keyring, release_id, zone="Asia/Shanghai")


def csv_rows(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"))))


def test_pages_of_the_queue_go_on_and_back(owner: psycopg.Connection[Any], client: As) -> None:
    for _ in range(5):
        order(owner, "remote")
    waiting = order(owner, "mismatch")
    ann = client("ann")
    commands.decide(ann, refs(ann, waiting), "waiting_customer", reason="asked_chat", request_id=uuid4())
    first = reads.queue(ann, QueueFilter(limit=2))
    assert (len(first.rows), first.count) == (2, 5)
    second = reads.queue(ann, QueueFilter(after=first.next))
    assert len({r.order_id for r in (*first.rows, *second.rows)}) == 5
    back = reads.queue(ann, QueueFilter(limit=2, before=second.prev))
    assert [r.order_id for r in back.rows] == [r.order_id for r in first.rows]
    assert first.tabs["waiting_customer"] == 1
    assert reads.queue(ann, QueueFilter(state="waiting_customer")).rows[0].due_at is None
    rows = csv_rows(files.queue_file(ann, QueueFilter(kind="remote"), fmt="csv").content)
    assert len(rows) == 5
    assert {r["异常"] for r in rows} == {"偏远地区"}


def test_search_finds_by_whatever_was_pasted(
    owner: psycopg.Connection[Any], client: As, keyring: pii.Keyring
) -> None:
    one = order(owner, "remote")
    with_contact(owner, keyring, one, contact("13911112222"))
    owner.execute(
        "update orders set buyer_account = '小猫爱吃鱼', tracking_no = 'SF1234567890123' where id = %s",
        (one,),
    )
    number = shown(client("ann"), one).order.order_no
    ann = client("ann")
    for text, how in (
        (f"小猫 (2026-11-22 10:00:00): 订单{number}呢", "order_no"), (number[-6:], "last_six"),
        ("139 1111 2222", "phone"), ("小猫爱吃鱼", "buyer"), ("单号 sf1234567890123 没动", "tracking"),
    ):  # fmt: skip
        hits = {hit.id: hit.how for hit in search.search(ann, keyring, text).orders}
        assert hits.get(one) == how, text
    assert search.search(client("ana"), keyring, "13911112222").orders == ()


def test_home_lists_and_views(owner: psycopg.Connection[Any], client: As) -> None:
    mine = order(owner, "remote")
    order(owner, "unpaid", status="unpaid")
    ann = client("ann")
    commands.claim(ann, mine, request_id=uuid4())
    page = home.home(ann)
    assert [(item.order_id, item.is_mine) for item in page.items] == [(mine, True)]
    assert page.figures[0].open == 1
    assert page.unpaid == 1
    home.seen(ann)
    assert home.home(ann).changes.found == 0
    assert reads.payment_nudge(ann)["count"] == 1
    assert {age["kind"] for age in reads.data_ages(ann)} == {"orders", "shipments", "products"}
    assert reads.import_log(ann) == []
    owner.execute(
        """insert into products (stock_pool_id, sku, name, available)
           select stock_pool_id, 'HTTP-' || n, '杯', n from shops, unnest(array[1, 900]) n
           where code = 'queue-http'"""
    )
    assert [p["sku"] for p in reads.products(ann, low_only=True, text="http-")["rows"]] == ["HTTP-1"]
    assert reads.products(ann, text="http-")["count"] == 2
    owner.execute("delete from products where sku like 'HTTP-%'")
    view = views.save(ann, "orders", "偏远", QueueFilter(kind="remote").params(), request_id=uuid4())
    assert [(v.id, v.params) for v in views.saved(ann, "orders")] == [(view, {"kind": "remote"})]
    assert views.saved(client("ben"), "orders") == ()
    views.forget(ann, view, request_id=uuid4())
    assert views.saved(ann, "orders") == ()
