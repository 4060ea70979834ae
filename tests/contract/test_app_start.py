"""An app that cannot start says why in one sentence."""

from __future__ import annotations

import fcntl
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from backend.config import child_environment
from backend.local.postgres import free_port

ROOT = Path(__file__).parents[2]


def start(folder: Path, settings: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Run the app as `make run` does, until it gives up."""
    command = [sys.executable, "-m", "streamlit", "run", "app.py", f"--server.port={free_port()}"]
    environment = child_environment({"DESK_DATA_DIR": str(folder), **settings})
    return subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120, check=False
    )


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({}, "is already in use by another process. Stop that one first"),
        ({"SUPABASE_URL": "https://project.supabase.co"}, "SUPABASE_URL is set, but not: "),
    ],
)
def test_a_start_that_fails_ends_with_a_sentence(
    tmp_path: Path, settings: Mapping[str, str], sentence: str
) -> None:
    with (tmp_path / "lock").open("a") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        answer = start(tmp_path, settings)
    assert answer.returncode == 1
    assert sentence in answer.stderr
    assert "Traceback" not in answer.stderr + answer.stdout
