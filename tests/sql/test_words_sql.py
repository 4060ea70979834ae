"""The dictionary in the database: versions that never change, proposals, trial, approval by another manager."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest

from backend.compliance import dictionary, rechecks
from backend.job import Job, Worker
from backend.words.dictionary import build, shipped
from tests.sql.desk import Connection, as_member, ask, call, one, refusal, row
from tests.sql.importing import KEYRING
from tests.sql.texts import Service, open_desk, service, shop, write

ADD = {
    "target": "word", "action": "add", "reason": "平台通知",
    "facts": {"term": "绝版", "category": "time_limit", "severity": "warn", "legal_basis": "广告法第二十八条"},
}  # fmt: skip


@pytest.fixture
def desk(db: Connection) -> Connection:
    open_desk(db)
    return db


def word_id(conn: Connection, term: str) -> int:
    return int(one(conn, "select id from compliance_words where term = %s and to_version is null", term))


def operation(conn: Connection, term: str, action: str = "change", **facts: Any) -> dict[str, Any]:
    return {"target": "word", "action": action, "id": word_id(conn, term), "facts": facts, "reason": "核对"}


def propose(conn: Connection, *items: dict[str, Any], who: str = "ops") -> dict[str, Any]:
    saved: dict[str, Any] = call(conn, who, "save_proposal", None, None, "改词", list(items))
    return saved


def run(conn: Connection, kind: str, **payload: Any) -> float | None:
    """Let the worker do a job of a kind."""
    worker = Worker(rpc=Always(service(conn)), keyring=KEYRING, stop=threading.Event())
    job = Job(1, kind, payload, {}, {}, "lease", worker)
    return {"try_words": rechecks.try_words, "recheck_texts": rechecks.recheck_texts}[kind](job)


class Always:
    """The service, with a lease that holds."""

    def __init__(self, rpc: Service) -> None:
        self.rpc = rpc

    def __call__(self, name: str, **params: Any) -> Any:
        return True if name == "job_progress" else self.rpc(name, **params)


def try_and_submit(conn: Connection, proposal_id: int, who: str = "ops") -> int:
    run(conn, "try_words", proposal_id=proposal_id)
    version = one(conn, "select version from word_proposals where id = %s", proposal_id)
    return int(call(conn, who, "submit_proposal", proposal_id, version)["version"])


def approve(conn: Connection, *items: dict[str, Any]) -> int:
    saved = propose(conn, *items)
    version = try_and_submit(conn, saved["id"])
    return int(call(conn, "mgr", "decide_proposal", saved["id"], version, True, None)["words_version"])


def terms(conn: Connection, version: int) -> dict[str, str]:
    words = service(conn)("service_words", p_version=version, p_proposal_id=None)["words"]
    return {word[0]: word[2] for word in words}


def test_the_shipped_dictionary_and_the_database_agree(db: Connection) -> None:
    rpc = service(db)
    book = dictionary.current(rpc)
    assert book.version == 1
    assert book.on("taobao").version == book.on(None).version == shipped().version
    assert rpc("service_words_version")["basis"] == dictionary.BASIS
    assert dictionary.announce(rpc)["version"] == 1  # a second program of the same release changes nothing


def test_the_basis_rises_with_the_shipped_dictionary() -> None:
    assert shipped().version == dictionary.BASIS_OF, (
        "the shipped dictionary changed: raise BASIS, set BASIS_OF"
    )


def test_a_newer_release_keeps_what_people_decided(desk: Connection) -> None:
    approve(desk, operation(desk, "最佳", severity="warn"), operation(desk, "国旗", "disable"), ADD)
    rpc = service(desk)
    newer = [
        ["最佳", "absolute", "block", "新依据", "删去", "exact", "", ""],
        ["国旗", "national_symbol", "block", "广告法第九条", "删去", "exact", "", ""],
        ["新词", "absolute", "warn", "广告法第九条", "删去", "exact", "", ""],
    ]
    answer = rpc(
        "service_seed_words", p_basis=99, p_words=newer, p_exceptions=[], p_patterns=[], p_superlatives=[]
    )
    assert answer == {"version": 3, "is_new": True}
    assert terms(desk, 3) == {"最佳": "warn", "绝版": "warn", "新词": "warn"}
    assert terms(desk, 1) == {"最佳": "block", "销量第一": "warn", "国旗": "block"}
    older = rpc(
        "service_seed_words", p_basis=1, p_words=[], p_exceptions=[], p_patterns=[], p_superlatives=[]
    )
    assert older == {"version": 3, "is_new": False}


def test_a_version_is_what_was_tried_and_the_one_before_stays(desk: Connection) -> None:
    saved = propose(
        desk, ADD, operation(desk, "最佳", severity="warn"), operation(desk, "国旗", "disable"),
        {"target": "exception", "action": "add", "reason": "误报",
         "facts": {"terms": ["销量第一"], "effect": "clean", "place": "phrase", "pattern": "~指南"}},
    )  # fmt: skip
    proposed = dictionary.proposed(service(desk), 1, saved["id"]).on(None)
    version = try_and_submit(desk, saved["id"])
    answer = call(desk, "mgr", "decide_proposal", saved["id"], version, True, None)
    assert answer["words_version"] == 2
    made = dictionary.current(service(desk))
    assert made.version == 2
    assert made.on(None).version == proposed.version
    assert terms(desk, 1) == {"最佳": "block", "销量第一": "warn", "国旗": "block"}
    assert terms(desk, 2) == {"最佳": "warn", "销量第一": "warn", "绝版": "warn"}
    assert row(
        desk,
        "select words_added, words_changed, words_disabled, exceptions_changed from word_versions where id = 2",
    ) == (1, 1, 1, 1)
    assert [h["from_version"] for h in ask(desk, "ann", "word_history", "最佳")] == [2, 1]
    assert one(desk, "select count(*) from private.jobs where kind = 'recheck_texts'") == 1


@pytest.mark.parametrize(
    "statement", ["update compliance_words set severity = 'warn'", "delete from word_versions"]
)
def test_nobody_changes_a_version_through_the_api(desk: Connection, statement: str) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege), as_member(desk, "mgr"):
        desk.execute(statement.encode())
    assert terms(desk, 1) == {"最佳": "block", "销量第一": "warn", "国旗": "block"}


def test_only_what_was_tried_as_it_stands_is_submitted(desk: Connection) -> None:
    saved = propose(desk, ADD)
    with refusal("PT409", "words.untried"):
        call(desk, "ops", "submit_proposal", saved["id"], saved["version"])
    run(desk, "try_words", proposal_id=saved["id"])
    version = one(desk, "select version from word_proposals where id = %s", saved["id"])
    again = call(
        desk, "ops", "save_proposal", saved["id"], version, "改词", [operation(desk, "最佳", "disable")]
    )
    with refusal("PT409", "words.untried"):
        call(desk, "ops", "submit_proposal", saved["id"], again["version"])
    assert one(desk, "select state from word_proposals where id = %s", saved["id"]) == "draft"


def test_a_trial_says_what_would_be_found_and_released(desk: Connection) -> None:
    write(desk, title="绝版面霜")
    write(desk, title="最佳面霜")
    saved = propose(desk, ADD, operation(desk, "最佳", "disable"))
    run(desk, "try_words", proposal_id=saved["id"])
    trial = ask(desk, "ops", "proposal_detail", saved["id"])["trial"]
    assert (trial["state"], trial["texts"], trial["new_count"], trial["released_count"]) == ("done", 2, 1, 1)
    assert [(r["term"], r["shop_id"]) for r in trial["new"]] == [("绝版", shop(desk))]
    assert [r["term"] for r in trial["released"]] == ["最佳"]
    assert ask(desk, "far", "proposal_detail", saved["id"])["trial"]["new"] == []  # another shop's listings


def test_a_pattern_that_does_not_compile_never_becomes_a_version(desk: Connection) -> None:
    broken = {"target": "exception", "action": "add", "reason": "试",
              "facts": {"terms": ["最佳"], "effect": "clean", "place": "phrase", "pattern": "没有代号"}}  # fmt: skip
    saved = propose(desk, broken)
    run(desk, "try_words", proposal_id=saved["id"])
    trial = ask(desk, "ops", "proposal_detail", saved["id"])["trial"]
    assert trial["state"] == "failed"
    with refusal("PT409", "words.untried"):
        version = one(desk, "select version from word_proposals where id = %s", saved["id"])
        call(desk, "ops", "submit_proposal", saved["id"], version)


def test_the_author_does_not_approve(desk: Connection) -> None:
    saved = propose(desk, ADD, who="mgr")
    version = try_and_submit(desk, saved["id"], "mgr")
    with refusal("PT403", "words.own"):
        call(desk, "mgr", "decide_proposal", saved["id"], version, True, None)
    with refusal("PT403", "member.role"):
        call(desk, "ops", "decide_proposal", saved["id"], version, True, None)
    assert one(desk, "select private.words_version()") == 1
    with refusal("PT422", "words.note_missing"):
        call(desk, "mg2", "decide_proposal", saved["id"], version, False, " ")
    answer = call(desk, "mg2", "decide_proposal", saved["id"], version, False, "证据不足")
    assert answer["state"] == "refused"
    assert one(desk, "select private.words_version()") == 1


def test_only_the_author_changes_submits_and_withdraws(desk: Connection) -> None:
    saved = propose(desk, ADD)
    for name, args in (
        ("save_proposal", (saved["id"], saved["version"], "改", [ADD])),
        ("withdraw_proposal", (saved["id"], saved["version"])),
        ("submit_proposal", (saved["id"], saved["version"])),
    ):
        with refusal("PT403", "words.not_yours"):
            call(desk, "mgr", name, *args)
    assert one(desk, "select state from word_proposals") == "draft"
    assert call(desk, "ops", "withdraw_proposal", saved["id"], saved["version"])["state"] == "withdrawn"


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"facts": ADD["facts"] | {"category": "x"}}, "category"),
        ({"facts": ADD["facts"] | {"severity": "soft"}}, "severity"),
        ({"facts": ADD["facts"] | {"term": "一"}}, "term"),
        ({"facts": ADD["facts"] | {"platforms": ["ebay"]}}, "platforms"),
        ({"facts": ADD["facts"] | {"is_active": False}}, "fields"),
        ({"facts": {"term": "绝版", "category": "absolute", "severity": "warn"}}, "legal_basis"),
        ({"reason": " "}, "reason"),
        ({"action": "drop"}, "action"),
        ({"target": "shop"}, "target"),
        ({"id": 1}, "id"),
        ({"target": "exception", "facts": {"terms": "最佳", "effect": "clean", "place": "phrase", "pattern": "~x"}}, "terms"),
        ({"target": "exception", "facts": {"terms": ["最佳"], "effect": "soft", "place": "phrase", "pattern": "~x"}}, "effect"),
        ({"target": "exception", "facts": {"terms": ["最佳"], "effect": "warn", "place": "here", "pattern": "~x"}}, "place"),
        ({"target": "exception", "facts": {"terms": ["最佳"], "effect": "warn", "place": "phrase", "pattern": ""}}, "pattern"),
    ],
)  # fmt: skip
def test_an_operation_that_says_nothing_is_named(
    desk: Connection, change: dict[str, Any], field: str
) -> None:
    with pytest.raises(psycopg.Error) as caught:
        propose(desk, ADD | {"facts": ADD["facts"] | {"term": "先前"}}, ADD | change)
    assert caught.value.diag.message_primary == "words.item_bad"
    assert f'"field": "{field}"' in str(caught.value.diag.message_detail)
    assert '"n": 2' in str(caught.value.diag.message_detail)
    assert one(desk, "select count(*) from word_proposals") == 0


def test_a_word_exists_once_and_a_row_is_changed_once(desk: Connection) -> None:
    with refusal("PT409", "words.term_exists"):
        propose(desk, ADD | {"facts": ADD["facts"] | {"term": " 最佳 "}})
    with refusal("PT409", "words.term_exists"):
        propose(desk, ADD, ADD)
    with refusal("PT422", "words.item_twice"):
        propose(desk, operation(desk, "最佳", severity="warn"), operation(desk, "最佳", "disable"))


def test_a_row_that_moved_meanwhile_stops_the_approval(desk: Connection) -> None:
    first = propose(desk, operation(desk, "最佳", severity="warn"))
    second = propose(desk, operation(desk, "最佳", "disable"))
    versions = [try_and_submit(desk, p["id"]) for p in (first, second)]
    call(desk, "mgr", "decide_proposal", first["id"], versions[0], True, None)
    with refusal("PT409", "words.moved"):
        call(desk, "mgr", "decide_proposal", second["id"], versions[1], True, None)
    assert terms(desk, 2)["最佳"] == "warn"
    assert one(desk, "select private.words_version()") == 2


def test_a_word_may_count_on_some_platforms_only(desk: Connection) -> None:
    approve(desk, ADD | {"facts": ADD["facts"] | {"platforms": ["douyin"]}})
    book = dictionary.current(service(desk))
    assert "绝版" in {entry.term for entry in book.on("douyin").entries}
    assert "绝版" not in {entry.term for entry in book.on("jd").entries}
    assert book.on("jd") is book.on(None)


def test_the_list_pages_and_filters(desk: Connection) -> None:
    first = ask(desk, "ann", "word_list", {"limit": 2})
    rest = ask(desk, "ann", "word_list", {"limit": 2, "after": first["next"]})
    assert [w["term"] for w in first["rows"] + rest["rows"]] == ["最佳", "销量第一", "国旗"]
    assert rest["next"] is None
    assert [w["term"] for w in ask(desk, "ann", "word_list", {"q": "第一"})["rows"]] == ["销量第一"]
    assert [w["term"] for w in ask(desk, "ann", "word_list", {"severity": "warn"})["rows"]] == ["销量第一"]
    with refusal("PT422", "filter.bad"):
        ask(desk, "ann", "word_list", {"limit": "many"})


def test_building_the_same_rows_gives_the_same_version(desk: Connection) -> None:
    book = dictionary.current(service(desk)).on(None)
    assert build(book.entries, exceptions=book.exceptions).version == book.version


@pytest.fixture
def open_db(db_url: str) -> str:
    with psycopg.connect(db_url, autocommit=True) as conn:
        open_desk(conn)
    return db_url


def test_of_two_approvals_at_once_one_counts(open_db: str) -> None:
    with psycopg.connect(open_db, autocommit=True) as conn:
        saved = propose(conn, ADD)
        version = try_and_submit(conn, saved["id"])

    def decide(who: str) -> str:
        with psycopg.connect(open_db, autocommit=True) as mine:
            try:
                return str(call(mine, who, "decide_proposal", saved["id"], version, True, None)["state"])
            except psycopg.Error as error:
                return str(error.diag.message_primary)

    with ThreadPoolExecutor(2) as pool:
        answers = sorted(pool.map(decide, ["mgr", "mg2"]))
    assert answers == ["approved", "words.proposal_stale"]
    with psycopg.connect(open_db) as conn:
        assert one(conn, "select private.words_version()") == 2
        assert one(conn, "select count(*) from compliance_words where term = '绝版'") == 1
