"""Runs one command as the child of a pipe: when the pipe on standard input closes, the command is stopped.

Started by path, without the package, so that it costs a few milliseconds:
`python -I -S guard.py UID GID COMMAND…` (UID and GID "-" keep the current user). Postgres knows nothing of
our pipe, so this process stands between them: whatever ends the supervisor, even kill -9, ends the database
cleanly.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import threading

PR_SET_PDEATHSIG = 1


def follow_parent() -> None:
    """In the child, before it runs the command: be interrupted should this guard itself be killed (Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGINT)


def stop_when_closed(child: subprocess.Popen[bytes]) -> None:
    """Wait for the end of standard input, then ask for a fast shutdown (SIGINT to Postgres)."""
    while os.read(0, 4096):
        continue
    child.send_signal(signal.SIGINT)


def main(arguments: list[str]) -> int:
    """Run the command until it ends or the pipe closes; returns its exit code."""
    uid, gid, *command = arguments
    switch = {} if uid == "-" else {"user": int(uid), "group": int(gid), "extra_groups": []}
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, preexec_fn=follow_parent, **switch)  # type: ignore[call-overload]  # noqa: S603
    signal.signal(signal.SIGINT, lambda *_: child.send_signal(signal.SIGINT))
    signal.signal(signal.SIGTERM, lambda *_: child.send_signal(signal.SIGINT))
    threading.Thread(target=stop_when_closed, args=(child,), daemon=True).start()
    code: int = child.wait()
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
