"""`words check`: offline, one JSON object or one line for each, errors that do not stop the rest."""

import argparse
import json
from pathlib import Path
from typing import Any

import pytest

from backend.cli import words


def run(capfdbinary: pytest.CaptureFixture[bytes], *args: str) -> tuple[int, list[Any]]:
    parser = argparse.ArgumentParser()
    words.add_parser(parser.add_subparsers())
    code = words.run(parser.parse_args(["words", "check", *args]))
    out, _ = capfdbinary.readouterr()
    return code, [json.loads(line) for line in out.decode("utf-8").splitlines()]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "text.txt"


def test_json_has_the_contract_fields_and_offsets_of_the_file(
    file: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    text = "😀标题\r\n全网第一的面膜"
    file.write_bytes(text.encode())
    code, (answer,) = run(capfdbinary, str(file), "--json")
    assert code == 0, "a check that found something is still a check that was done"
    assert answer["verdict"] == "block"
    (hit,) = answer["hits"]
    assert text[hit["start"] : hit["end"]] == hit["text"] == "全网第一"
    assert {"term", "category", "severity", "legal_basis", "suggestion"} <= hit.keys()


def test_jsonl_answers_each_line_and_goes_on_after_a_bad_one(
    file: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    lines = [
        json.dumps({"text": "祛斑霜", "kind": "title", "category": "cosmetics"}),
        "not json",
        json.dumps({"text": "祛斑霜", "category": "cosmetics", "licences": ["国妆特字:G20230001"]}),
        json.dumps({"text": "a\u2028b\ud800", "category": None}),
        json.dumps({"text": "x", "category": "spaceships"}),
        json.dumps({"text": 5}),
        json.dumps({"text": "x", "licences": "G1"}),
    ]
    file.write_text("\n".join(lines) + "\n\n", "utf-8")
    code, answers = run(capfdbinary, str(file), "--jsonl")
    assert code == 1
    assert [a.get("verdict", "error") for a in answers] == [
        "block", "error", "warn", "clean", "error", "error", "error",
    ]  # fmt: skip
    assert "line 2" in answers[1]["error"]


def test_a_missing_file_is_refused(tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    code, answers = run(capfdbinary, str(tmp_path / "none"), "--json")
    assert (code, answers) == (1, [])


def test_people_read_verdict_reason_and_proposal(
    file: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    file.write_text("国宴专用白酒", "utf-8")
    parser = argparse.ArgumentParser()
    words.add_parser(parser.add_subparsers())
    assert words.run(parser.parse_args(["words", "check", str(file)])) == 0
    out = capsysbinary.readouterr().out.decode("utf-8")
    assert "不可发布" in out
    assert "广告法第九条" in out
    assert "proposal" in out


def test_wrong_usage_exits_with_2() -> None:
    parser = argparse.ArgumentParser()
    words.add_parser(parser.add_subparsers())
    with pytest.raises(SystemExit) as stop:
        parser.parse_args(["words", "check", "--json", "--jsonl"])
    assert stop.value.code == 2
