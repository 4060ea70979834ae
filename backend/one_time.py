"""One-time tickets: how a browser that just signed in over the page's socket fetches its cookie over HTTP.

They live 30 seconds in this process, because the socket and the fetch that follows reach the same process.
"""

from __future__ import annotations

import secrets
import threading
from dataclasses import dataclass
from time import monotonic
from typing import Final

LIFE_SECONDS: Final = 30.0
_MOST: Final = 10_000


@dataclass(frozen=True, slots=True)
class Grant:
    """What a ticket stands for."""

    sid: str
    is_own_device: bool


_open: dict[str, tuple[float, Grant]] = {}
_lock = threading.Lock()


def issue(grant: Grant) -> str:
    """A ticket for one fetch within 30 seconds."""
    ticket = secrets.token_urlsafe(32)
    with _lock:
        _drop_old()
        while len(_open) >= _MOST:
            _open.pop(next(iter(_open)))
        _open[ticket] = (monotonic() + LIFE_SECONDS, grant)
    return ticket


def redeem(ticket: str) -> Grant | None:
    """The grant of a ticket, once; None when it is unknown, used or too old."""
    with _lock:
        _drop_old()
        found = _open.pop(ticket, None)
    return found[1] if found else None


def _drop_old() -> None:
    now = monotonic()
    for ticket in [key for key, (deadline, _) in _open.items() if deadline < now]:
        del _open[ticket]
