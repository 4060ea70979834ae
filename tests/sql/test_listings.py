"""The flow of a listing: who may take which step, what stops it, and what an edit does to it."""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest

from backend.compliance import check_revision
from tests.sql.desk import Connection, ask, call, one, refusal, row
from tests.sql.texts import item, later, open_desk, service, shop, state, step, write

IMAGES = ["https://img.example/1.jpg"]
STEPS = ("submit_listings", "approve_listings", "return_listings", "publish_listings", "withdraw_listings")


@pytest.fixture
def desk(db: Connection) -> Connection:
    open_desk(db)
    return db


def checked(conn: Connection, who: str = "ops", title: str = "保湿面霜", **more: Any) -> int:
    """A new listing whose texts are checked."""
    made = write(conn, who, title, **more)
    check_revision(service(conn), made["revision_id"])
    return int(made["id"])


def brought_to(conn: Connection, wanted: str, title: str = "保湿面霜", reason: str | None = None) -> int:
    """A listing of ops in a state."""
    listing_id = checked(conn, title=title)
    for stage, act in (
        ("text_review", lambda: step(conn, "ops", "submit_listings", listing_id, reason)),
        ("images", lambda: step(conn, "mgr", "approve_listings", listing_id)),
        ("final_review", lambda: images(conn, listing_id)),
        ("ready", lambda: step(conn, "mgr", "approve_listings", listing_id)),
        ("published", lambda: step(conn, "ops", "publish_listings", listing_id)),
    ):
        if state(conn, listing_id) == wanted:
            return listing_id
        act()
        assert state(conn, listing_id) == stage
    return listing_id


def images(conn: Connection, listing_id: int, who: str = "ops", urls: list[str] | None = None) -> Any:
    version = item(conn, listing_id)["version"]
    return call(conn, who, "set_listing_images", listing_id, version, IMAGES if urls is None else urls)


def edit(conn: Connection, listing_id: int, title: str, who: str = "ops") -> dict[str, Any]:
    version = item(conn, listing_id)["version"]
    answer: dict[str, Any] = call(conn, who, "save_listing", listing_id, version, {"title": title})
    return answer


# --- the way through ---


def test_a_listing_goes_through_every_station(desk: Connection) -> None:
    listing_id = brought_to(desk, "published")
    assert row(
        desk,
        "select published_id = revision_id, verdict, live_verdict, published_at is not null from listings",
    ) == (True, "clean", "clean", True)
    told = [e["action"] for e in ask(desk, "mgr", "listing_detail", listing_id)["timeline"]]
    assert told == ["publish", "approve", "images_set", "approve", "submit", "created"]


@pytest.mark.parametrize("stage", ["draft", "text_review", "images", "final_review", "ready", "published"])
def test_every_step_only_where_it_belongs(desk: Connection, stage: str) -> None:
    listing_id = brought_to(desk, stage)
    allowed = {
        "draft": {"submit_listings", "withdraw_listings"},
        "text_review": {"approve_listings", "return_listings", "withdraw_listings"},
        "images": {"return_listings", "withdraw_listings"},
        "final_review": {"approve_listings", "return_listings", "withdraw_listings"},
        "ready": {"return_listings", "publish_listings", "withdraw_listings"},
        "published": {"withdraw_listings"},
    }[stage]
    for name in STEPS:
        with desk.transaction(force_rollback=True):
            answer = step(desk, "mgr", name, listing_id, "因为")
            assert answer["ok"] == (name in allowed), name
            if name not in allowed:
                assert (answer["key"], state(desk, listing_id)) == ("listing.state", stage)


@pytest.mark.parametrize("who", ["ann", "whs", "ana", "adm"])
@pytest.mark.parametrize("name", STEPS)
def test_others_take_no_step(desk: Connection, name: str, who: str) -> None:
    listing_id = checked(desk)
    with refusal("PT403", "member.role"):
        call(desk, who, name, [item(desk, listing_id)], "x")
    assert state(desk, listing_id) == "draft"


def test_another_shop_sees_and_moves_nothing(desk: Connection) -> None:
    listing_id = checked(desk)
    assert step(desk, "far", "submit_listings", listing_id)["key"] == "listing.none"
    assert ask(desk, "far", "listing_detail", listing_id) is None
    assert ask(desk, "far", "listing_page", {})["rows"] == []
    with refusal("PT404", "listing.none"):
        edit(desk, listing_id, "别人的", who="far")
    with refusal("PT404", "shop.none"):
        write(desk, "far", "越权")
    assert row(desk, "select state, title, count(*) over () from listings") == ("draft", "保湿面霜", 1)


def test_the_author_approves_nothing(desk: Connection) -> None:
    listing_id = checked(desk, "mgr")
    step(desk, "mgr", "submit_listings", listing_id)
    assert step(desk, "mgr", "approve_listings", listing_id)["key"] == "listing.own"
    assert step(desk, "ops", "approve_listings", listing_id)["state"] == "images"
    images(desk, listing_id)
    assert step(desk, "mgr", "approve_listings", listing_id)["key"] == "listing.own"
    assert step(desk, "ops", "approve_listings", listing_id)["key"] == "listing.manager"
    assert state(desk, listing_id) == "final_review"
    assert step(desk, "mg2", "approve_listings", listing_id)["state"] == "ready"


def test_the_owner_of_the_database_cannot_publish_around_it(desk: Connection) -> None:
    listing_id = checked(desk, title="最佳面霜")
    for statement in (
        "update listings set state = 'published', published_id = revision_id",
        "update listings set text_by = (select id from members where display_name = 'mgr'), final_by = text_by, images = '{x}';"
        "update listings set final_by = text_by, state = 'published', published_id = revision_id",
    ):
        with pytest.raises(psycopg.Error, match=r"listing\.unapproved|text\.blocked"), desk.transaction():
            desk.execute(statement.encode())
    assert state(desk, listing_id) == "draft"
    with pytest.raises(psycopg.errors.CheckViolation), desk.transaction():
        desk.execute("update listings set text_by = author_id")


# --- what the texts say ---


def test_a_block_stops_submission_and_says_which_word(desk: Connection) -> None:
    listing_id = checked(desk, title="最佳面霜")
    answer = step(desk, "ops", "submit_listings", listing_id, "有理由")
    assert (answer["key"], answer["params"]["terms"], answer["part"]) == ("text.blocked", "最佳", "title")
    assert state(desk, listing_id) == "draft"


@pytest.mark.parametrize("part", ["title", "selling_points", "description"])
def test_every_part_counts(desk: Connection, part: str) -> None:
    texts = {"title": "面霜", "selling_points": "温和", "description": "日常护肤"} | {part: "最佳"}
    listing_id = checked(desk, **texts)
    assert step(desk, "ops", "submit_listings", listing_id)["part"] == part


def test_an_unchecked_text_goes_nowhere(desk: Connection) -> None:
    listing_id = int(write(desk)["id"])
    assert step(desk, "ops", "submit_listings", listing_id)["key"] == "text.unchecked"
    assert state(desk, listing_id) == "draft"


def test_a_warning_needs_a_reason_that_stays(desk: Connection) -> None:
    warned = [["耐用", "false_promise", "warn", "广告法第二十八条", "举证", "exact", "", ""]]
    service(desk)(
        "service_seed_words", p_basis=50, p_words=warned, p_exceptions=[], p_patterns=[], p_superlatives=[]
    )
    listing_id = checked(desk, title="耐用水杯")
    assert one(desk, "select verdict from listings") == "warn"
    assert step(desk, "ops", "submit_listings", listing_id)["key"] == "text.reason_missing"
    assert step(desk, "ops", "submit_listings", listing_id, "检测报告 2026-11")["ok"]
    assert one(desk, "select reason from listings") == "检测报告 2026-11"
    assert step(desk, "mgr", "approve_listings", listing_id)["ok"]


def test_a_new_dictionary_stops_what_is_ready(desk: Connection) -> None:
    listing_id = brought_to(desk, "ready")
    service(desk)(
        "service_seed_words", p_basis=50, p_words=[], p_exceptions=[], p_patterns=[], p_superlatives=[]
    )
    assert step(desk, "ops", "publish_listings", listing_id)["key"] == "text.unchecked"
    check_revision(service(desk), one(desk, "select revision_id from listings"))
    assert step(desk, "ops", "publish_listings", listing_id)["ok"]


# --- editing ---


def test_an_edit_starts_over_and_leaves_what_is_published(desk: Connection) -> None:
    listing_id = brought_to(desk, "published")
    live = one(desk, "select published_id from listings")
    answer = edit(desk, listing_id, "保湿面霜 50g", who="mgr")
    assert answer["state"] == "draft"
    assert row(desk, "select published_id, text_by, final_by, reason, verdict from listings") == (
        live, None, None, None, "unchecked",
    )  # fmt: skip
    detail = ask(desk, "ann", "listing_detail", listing_id)
    assert (detail["revision"]["title"], detail["published"]["title"]) == ("保湿面霜 50g", "保湿面霜")
    assert detail["listing"]["author"] == "mgr"
    assert one(desk, "select count(*) from listing_revisions") == 2


def test_a_blocked_edit_does_not_hide_behind_the_history(desk: Connection) -> None:
    listing_id = checked(desk, title="最佳面霜")
    edit(desk, listing_id, "保湿面霜")
    assert one(desk, "select gone_as from text_hits") == "replaced"
    edit(desk, listing_id, "最佳面霜")
    assert step(desk, "ops", "submit_listings", listing_id)["key"] == "text.blocked"


def test_two_editors_one_is_told(desk: Connection) -> None:
    listing_id = checked(desk)
    shown = item(desk, listing_id)["version"]
    call(desk, "ops", "save_listing", listing_id, shown, {"title": "先到"})
    with refusal("PT409", "listing.stale"):
        call(desk, "mgr", "save_listing", listing_id, shown, {"title": "后到"})
    assert one(desk, "select title from listings") == "先到"


@pytest.mark.parametrize(
    ("wrong", "key"),
    [
        ({"title": " "}, "listing.title"), ({"title": "长" * 201}, "listing.title"),
        ({"description": "长" * 20_001}, "listing.too_long"), ({"category": "toys"}, "listing.category"),
        ({"licences": ["no colon"]}, "listing.licence"), ({"licences": "x"}, "listing.licence"),
        ({"product_id": 0}, "listing.product"),
    ],
)  # fmt: skip
def test_a_text_that_cannot_be_kept_is_named(desk: Connection, wrong: dict[str, Any], key: str) -> None:
    with pytest.raises(psycopg.Error, match=key.replace(".", r"\.")):
        write(desk, **wrong)
    assert one(desk, "select count(*) from listings") == 0


@pytest.mark.parametrize(
    "urls", [[], ["http://img.example/1.jpg"], ["javascript:alert(1)"], ["https://a b"], ["https://x"] * 21]
)
def test_pictures_are_https_addresses(desk: Connection, urls: list[str]) -> None:
    listing_id = brought_to(desk, "images")
    with refusal("PT422", "listing.images"):
        images(desk, listing_id, urls=urls)
    assert state(desk, listing_id) == "images"


# --- bulk, undo, repeats ---


def test_of_many_those_that_may_go_on(desk: Connection) -> None:
    good, bad, gone = checked(desk), checked(desk, title="最佳"), checked(desk)
    items = [item(desk, i) for i in (good, bad, gone)]
    edit(desk, gone, "改过")
    answer = call(desk, "ops", "submit_listings", items, None)
    assert answer["done"] == 1
    assert {i["id"]: i.get("key") for i in answer["items"]} == {
        good: None,
        bad: "text.blocked",
        gone: "listing.stale",
    }
    with refusal("PT422", "bulk.empty"):
        call(desk, "ops", "submit_listings", [], None)
    with refusal("PT422", "bulk.too_many"):
        call(desk, "ops", "submit_listings", [{"id": n, "version": 1} for n in range(501)], None)


def test_a_step_is_taken_back_by_its_person_in_time(desk: Connection) -> None:
    listing_id = brought_to(desk, "text_review")
    batch = step(desk, "mgr", "approve_listings", listing_id)["batch_id"]
    with refusal("PT404", "undo.none"):
        call(desk, "ops", "undo_listings", batch)
    assert call(desk, "mgr", "undo_listings", batch) == {"done": 1}
    assert row(desk, "select state, text_by from listings") == ("text_review", None)
    with refusal("PT409", "undo.done"):
        call(desk, "mgr", "undo_listings", batch)
    batch = step(desk, "mgr", "approve_listings", listing_id)["batch_id"]
    later(desk, minutes=11)
    with refusal("PT409", "undo.too_late"):
        call(desk, "mgr", "undo_listings", batch)
    assert state(desk, listing_id) == "images"


def test_what_went_on_is_not_taken_back(desk: Connection) -> None:
    listing_id = brought_to(desk, "text_review")
    batch = step(desk, "mgr", "approve_listings", listing_id)["batch_id"]
    images(desk, listing_id)
    with refusal("PT409", "listing.changed"):
        call(desk, "mgr", "undo_listings", batch)
    assert state(desk, listing_id) == "final_review"


def test_a_publication_is_not_undone_but_withdrawn(desk: Connection) -> None:
    listing_id = brought_to(desk, "ready")
    assert step(desk, "ops", "publish_listings", listing_id)["batch_id"] is None
    assert step(desk, "ops", "withdraw_listings", listing_id)["key"] == "listing.reason_missing"
    taken = step(desk, "ops", "withdraw_listings", listing_id, "下架")
    assert row(desk, "select state, published_id, live_verdict from listings") == ("withdrawn", None, None)
    call(desk, "ops", "undo_listings", taken["batch_id"])
    assert row(desk, "select state, live_verdict, published_id = revision_id from listings") == (
        "published",
        "clean",
        True,
    )


def test_the_same_request_moves_once(desk: Connection) -> None:
    listing_id, request = checked(desk), uuid.uuid4()
    shown = [item(desk, listing_id)]
    first = call(desk, "ops", "submit_listings", shown, None, request=request)
    assert call(desk, "ops", "submit_listings", shown, None, request=request) == first
    assert one(desk, "select count(*) from audit_events where action = 'submit'") == 1


# --- the list ---


def test_the_list_pages_newest_first(desk: Connection) -> None:
    made = [checked(desk, title=f"面霜 {n}") for n in range(5)]
    first = ask(desk, "ann", "listing_page", {"limit": 2})
    second = ask(desk, "ann", "listing_page", {"limit": 3, "after": first["next"]})
    assert [r["id"] for r in first["rows"] + second["rows"]] == made[::-1]
    assert (first["count"], second["next"], first["tabs"]["draft"]) == (5, None, 5)


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        ({"q": "面霜"}, {"a", "b"}), ({"q": "SKU-9"}, {"b"}), ({"q": "sku-9 "}, {"b"}), ({"q": "没有"}, set()),
        ({"q": "霜' or true --"}, set()), ({"verdict": "block"}, {"b"}), ({"verdict": "clean"}, {"a", "c"}),
        ({"state": "text_review"}, {"c"}), ({"author": "me"}, {"a", "b"}), ({"platform": "jd"}, set()),
        ({"todo": "true"}, set()),
    ],
)  # fmt: skip
def test_the_list_filters(desk: Connection, filters: dict[str, Any], found: set[str]) -> None:
    names = {
        checked(desk, title="保湿面霜"): "a",
        checked(desk, title="最佳面霜", sku="SKU-9"): "b",
        checked(desk, "mgr", title="水杯"): "c",
    }
    mine = next(i for i, n in names.items() if n == "c")
    step(desk, "mgr", "submit_listings", mine)
    if "todo" in filters:
        assert [r["id"] for r in ask(desk, "ops", "listing_page", filters)["rows"]] == [mine]
        assert ask(desk, "mgr", "listing_page", filters)["rows"] == []
        return
    assert {names[r["id"]] for r in ask(desk, "ops", "listing_page", filters)["rows"]} == found


@pytest.mark.parametrize("bad", [{"shop_id": "x"}, {"after": "x"}, {"author": "x"}, {"limit": "9" * 30}])
def test_a_filter_that_says_nothing_is_refused(desk: Connection, bad: dict[str, Any]) -> None:
    checked(desk)
    with refusal("PT422", "filter.bad"):
        ask(desk, "ops", "listing_page", bad)


def test_the_page_says_what_i_may_do(desk: Connection) -> None:
    listing_id = brought_to(desk, "text_review")
    assert ask(desk, "ops", "listing_detail", listing_id)["rights"]["approve"]["key"] == "listing.own"
    assert ask(desk, "mgr", "listing_detail", listing_id)["rights"]["approve"]["key"] is None
    assert ask(desk, "ann", "listing_detail", listing_id)["rights"]["approve"]["key"] == "member.role"


# --- at once ---


@pytest.fixture
def open_db(db_url: str) -> str:
    with psycopg.connect(db_url, autocommit=True) as conn:
        open_desk(conn)
    return db_url


def race(url: str, *calls: tuple[str, str, Any]) -> list[str]:
    """Steps of several people at the same moment; what each is answered."""

    def go(who: str, name: str, args: Any) -> str:
        with psycopg.connect(url, autocommit=True) as conn:
            try:
                answer = call(conn, who, name, *args)
            except psycopg.Error as error:
                return str(error.diag.message_primary)
            first = answer["items"][0] if "items" in answer else {"ok": True}
            return "done" if first["ok"] else str(first["key"])

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(lambda c: go(*c), calls))


def test_of_two_approvals_at_once_one_counts(open_db: str) -> None:
    with psycopg.connect(open_db, autocommit=True) as conn:
        listing_id = brought_to(conn, "final_review")
        shown = [item(conn, listing_id)]
    answers = race(
        open_db, ("mgr", "approve_listings", (shown, None)), ("mg2", "approve_listings", (shown, None))
    )
    assert sorted(answers) == ["done", "listing.stale"]


def test_an_edit_during_publication_publishes_no_other_text(open_db: str) -> None:
    for _ in range(5):
        with psycopg.connect(open_db, autocommit=True) as conn:
            listing_id = brought_to(conn, "ready")
            shown = item(conn, listing_id)
            text = {"shop_id": shop(conn), "title": "最佳面霜"}
        answers = race(
            open_db,
            ("mg2", "publish_listings", ([shown], None)),
            ("ops", "save_listing", (shown["id"], shown["version"], text)),
        )
        assert sorted(answers) == ["done", "listing.stale"]
        with psycopg.connect(open_db) as conn:
            live = row(
                conn,
                """select l.state, r.title from listings l left join listing_revisions r on r.id = l.published_id
                   where l.id = %s""",
                listing_id,
            )
        assert live in (("published", "保湿面霜"), ("draft", None))
