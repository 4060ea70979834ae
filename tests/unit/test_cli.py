"""The command line itself: what it lists, what it answers to nonsense."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from backend import cli

ROOT = Path(__file__).parents[2]


def desk(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `python -m backend` as a person would."""
    command = [sys.executable, "-m", "backend", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_help_lists_every_command_there_is() -> None:
    answer = desk("--help")
    assert answer.returncode == 0
    assert {"local", "backup", "restore"} <= set(cli.available())
    assert [name for name in cli.available() if f"    {name} " not in answer.stdout] == []


@pytest.mark.parametrize("arguments", [(), ("no-such-command",), ("restore",), ("local", "--port", "x")])
def test_wrong_usage_is_exit_code_2_and_nothing_on_standard_output(arguments: tuple[str, ...]) -> None:
    answer = desk(*arguments)
    assert (answer.returncode, answer.stdout) == (2, "")
    assert "usage: python -m backend" in answer.stderr


def test_a_command_whose_module_is_missing_is_not_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(cli.COMMANDS, "later", ("backend.cli.no_such_module", "not written yet"))
    assert "later" not in cli.available()


def test_a_refusal_is_exit_code_1_with_a_sentence(tmp_path: Path) -> None:
    answer = desk("backup", "--data", str(tmp_path / "nowhere"), "--json")
    assert (answer.returncode, answer.stdout) == (1, "")
    assert "There is no installation in" in answer.stderr
