"""`python -m backend sla deadline` against the running stack: answers, refusals and exit codes."""

from __future__ import annotations

import json
from typing import Any

import pytest

from backend import cli
from backend.local.stack import Stack


@pytest.fixture
def desk(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> Stack:
    """Commands find the stack of the tests by its data folder."""
    monkeypatch.delenv("SUPABASE_URL", raising=False)
    monkeypatch.setenv("DESK_DATA_DIR", str(stack.data_dir))
    return stack


def ask(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of one call."""
    try:
        code = cli.main(["sla", "deadline", *arguments])
    except SystemExit as stop:
        code = int(stop.code or 0)
    said = capsys.readouterr()
    return code, said.out, said.err


ANSWERS: dict[str, tuple[list[str], str | None]] = {
    "both shifts": (["all", "2026-11-22T23:30", "--minutes", "31"], "2026-11-23T08:01:00+08:00"),
    "until 24:00": (["all", "2026-11-22T23:30", "--minutes", "30"], "2026-11-23T00:00:00+08:00"),
    "an offset in the input": (
        ["all", "2026-11-22T15:30:07Z", "--minutes", "10"],
        "2026-11-22T23:40:07+08:00",
    ),
    "early": (["early", "2026-11-22T16:29", "--minutes", "2"], "2026-11-23T08:01:00+08:00"),
    "late": (["late", "2026-11-22T10:00", "--minutes", "1"], "2026-11-22T16:01:00+08:00"),
    "office over Spring Festival": (
        ["office", "2026-02-14T17:30", "--minutes", "60"],
        "2026-02-24T09:30:00+08:00",
    ),
    "wall": (["wall", "2026-10-01T03:00", "--minutes", "1.5"], "2026-10-01T03:01:30+08:00"),
    "working days": (["workdays", "2026-09-30T12:00", "--days", "5"], "2026-10-14T00:00:00+08:00"),
    "two pauses": (
        [
            "all",
            "2026-11-22T10:00",
            "--minutes",
            "60",
            "--pause",
            "2026-11-22T10:30/2026-11-22T11:00",
            "--pause",
            "2026-11-22T10:45/2026-11-22T03:15Z",
        ],
        "2026-11-22T11:45:00+08:00",
    ),
    "a pause that lasts": (
        ["all", "2026-11-22T10:00", "--minutes", "60", "--pause", "2026-11-22T10:30/"],
        None,
    ),
}


@pytest.mark.parametrize("case", ANSWERS)
def test_answers(desk: Stack, capsys: pytest.CaptureFixture[str], case: str) -> None:
    (calendar, start, *rest), expected = ANSWERS[case]
    code, out, err = ask(capsys, "--calendar", calendar, "--start", start, *rest, "--json")
    answer: dict[str, Any] = json.loads(out)
    assert (code, answer["deadline"], answer["timezone"], err) == (0, expected, "Asia/Shanghai", "")


def test_answers_a_person(desk: Stack, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = ask(capsys, "--calendar", "all", "--start", "2026-11-22T23:30", "--minutes", "30")
    assert (code, out) == (0, "Due 2026-11-22 24:00 (all, Asia/Shanghai)\n")


@pytest.mark.parametrize(
    "arguments",
    [["office", "2026-12-31T17:30", "--minutes", "31"], ["workdays", "2026-12-30T09:00", "--days", "2"]],
)
def test_a_year_without_a_list(desk: Stack, capsys: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    calendar, start, *rest = arguments
    code, out, err = ask(capsys, "--calendar", calendar, "--start", start, *rest, "--json")
    assert (code, json.loads(out)) == (1, {"deadline": None, "error": "calendar.uncovered", "year": 2027})
    assert "Not covered: the holiday list of 2027" in err
    code, out, err = ask(capsys, "--calendar", calendar, "--start", start, *rest)
    assert (code, out) == (1, "")
    assert "Not covered" in err


WRONG = {
    "no calendar of that name": ["--calendar", "nope", "--start", "2026-11-22T10:00", "--minutes", "1"],
    "no time": ["--calendar", "all", "--start", "yesterday", "--minutes", "1"],
    "negative minutes": ["--calendar", "all", "--start", "2026-11-22T10:00", "--minutes", "-1"],
    "too many minutes": ["--calendar", "all", "--start", "2026-11-22T10:00", "--minutes", "99999999"],
    "minutes that are no number": ["--calendar", "all", "--start", "2026-11-22T10:00", "--minutes", "NaN"],
    "half a day": ["--calendar", "workdays", "--start", "2026-11-22T10:00", "--days", "0.5"],
    "minutes and days": ["--calendar", "all", "--start", "2026-11-22T10:00", "--minutes", "1", "--days", "1"],
    "neither": ["--calendar", "all", "--start", "2026-11-22T10:00"],
    "a pause backwards": [
        "--calendar",
        "all",
        "--start",
        "2026-11-22T10:00",
        "--minutes",
        "1",
        "--pause",
        "2026-11-22T11:00/2026-11-22T10:00",
    ],
    "days with a pause": [
        "--calendar",
        "workdays",
        "--start",
        "2026-11-22T10:00",
        "--days",
        "1",
        "--pause",
        "2026-11-23T10:00/2026-11-23T11:00",
    ],
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_usage(desk: Stack, capsys: pytest.CaptureFixture[str], case: str) -> None:
    code, out, err = ask(capsys, *WRONG[case])
    assert (code, out) == (2, "")
    assert err
