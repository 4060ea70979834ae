"""`import chats`, then `kpi`: the day that was worked out by hand, through the commands alone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from backend import cli
from backend.local.stack import Stack
from tests.sql.test_kpi_chats import BY_HAND, CHATS, DAY, HEAD, SESSIONS

SHOP = "kpi-hand"
PERIOD = ("--from", DAY, "--to", DAY, "--shop", SHOP)


@pytest.fixture(scope="module")
def desk(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The running stack with a shop whose chats of a day both sheets brought in, found by its data folder."""
    folder = tmp_path_factory.mktemp("chats")
    messages, sessions = folder / "messages.csv", folder / "sessions.csv"
    messages.write_text("\n".join((HEAD, *CHATS.strip().split("\n"))), "utf-8")
    sessions.write_text(SESSIONS.strip(), "gb18030")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("SUPABASE_URL", raising=False)
        patch.setenv("DESK_DATA_DIR", str(stack.data_dir))
        with psycopg.connect(stack.db_url, autocommit=True) as owner:
            owner.execute("select private.ensure_shop(%s, %s, 'own')", (SHOP, SHOP))
        assert cli.main(["import", "chats", str(messages), str(sessions), "--shop", SHOP, "--json"]) == 0
        yield stack


def ask(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of one call."""
    try:
        code = cli.main(["kpi", *arguments])
    except SystemExit as stop:
        code = int(stop.code or 0)
    said = capsys.readouterr()
    return code, said.out, said.err


def answer(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[dict[str, Any]]:
    code, out, err = ask(capsys, *arguments, "--json")
    assert (code, err) == (0, "")
    found: list[dict[str, Any]] = json.loads(out)
    return found


def number(part: Any) -> float | None:
    return None if part is None else float(part)


def test_the_day_that_was_worked_out_by_hand(desk: Stack, capsys: pytest.CaptureFixture[str]) -> None:
    found = {one["code"]: one for one in answer(capsys, *BY_HAND, *PERIOD)}
    got = {
        code: (number(one["numerator"]), number(one["denominator"]), number(one["value"]))
        for code, one in found.items()
    }
    assert got == {code: tuple(map(number, parts)) for code, parts in BY_HAND.items()}
    assert {(one["version"], tuple(one["missing"])) for one in found.values()} == {(1, ())}


def test_by_shop_person_and_day(desk: Stack, capsys: pytest.CaptureFixture[str]) -> None:
    people = answer(capsys, "首响", *PERIOD, "--by", "person")
    assert {one["person"]: number(one["value"]) for one in people} == {"客服A": 25, "客服B": 9005}
    assert sum(one["numerator"] for one in people) == BY_HAND["首响"][0]
    shops = answer(capsys, "首响", *PERIOD, "--by", "shop")
    assert [(one["shop"], number(one["value"])) for one in shops] == [(SHOP, 4515)]
    week = ("--from", "2026-11-05", "--to", "2026-11-12", "--shop", SHOP)
    assert [one["day"] for one in answer(capsys, "首响", *week, "--by", "day")] == [DAY]


def test_every_kpi_is_answered_and_what_is_missing_is_no_zero(
    desk: Stack, capsys: pytest.CaptureFixture[str]
) -> None:
    found = {one["code"]: one for one in answer(capsys, *PERIOD)}
    assert len(found) == 27
    assert (found["流量转化率"]["value"], found["流量转化率"]["missing"]) == (None, ["traffic"])
    assert (found["客单价(店铺)"]["value"], found["客单价(店铺)"]["missing"]) == (None, ["orders"])


def test_for_a_person_at_a_console(desk: Stack, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = ask(capsys, "答问比", "流量转化率", *PERIOD)
    lines = (
        "流量转化率  n/a  import first: traffic",
        "答问比  85.71 %  (6 / 7, sample 7)",
    )
    assert (code, out.splitlines()) == (0, list(lines))
    code, out, _ = ask(capsys, "答问比", "留言率", "流量转化率", *PERIOD, "--by", "person")
    assert code == 0
    assert out.splitlines()[-2:] == [
        lines[0],
        "留言率  n/a  (not known by person; leave out --by for the figure of the period)",
    ]


@pytest.mark.parametrize(
    "arguments",
    [
        ["没有", *PERIOD],
        ["平响", "--from", DAY, "--to", "2026-11-01"],
        ["平响", "--from", "2020-01-01", "--to", DAY],
        ["平响", "--from", "yesterday", "--to", DAY],
        ["平响", "--from", DAY],
        ["平响", *PERIOD, "--by", "week"],
        ["平响", "--from", DAY, "--to", DAY, "--shop", "no-such-shop"],
    ],
)
def test_wrong_usage(desk: Stack, capsys: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    code, out, err = ask(capsys, *arguments)
    assert (code, out) == (2, "")
    assert err


def test_half_a_configuration_is_a_refusal(
    desk: Stack, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SUPABASE_URL", "http://127.0.0.1:9")
    code, out, err = ask(capsys, "平响", *PERIOD)
    assert (code, out) == (1, "")
    assert "SUPABASE_SECRET_KEY" in err
