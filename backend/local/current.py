"""The embedded stack of this process, for what only its owner can do (renew or clear the demo)."""

from __future__ import annotations

from backend.local.stack import Stack

_running: list[Stack] = []


def hold(stack: Stack) -> None:
    """This process runs `stack` from now on."""
    _running[:] = [stack]


def running() -> Stack | None:
    """The stack this process runs, or None (hosted, or started by another process)."""
    return _running[0] if _running else None
