"""One supervised child process: settings go in as a JSON line, a JSON line "ready" comes out.

The pipe on its standard input is its life line: the child leaves when the pipe closes, however we end.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import subprocess
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any, cast

LOG_LIMIT = 2_000_000


class ChildError(Exception):
    """A child process did not start; the message names it and where its log is."""


class Child:
    """A process with a life line. `start` may be called again after the process ended."""

    def __init__(
        self, name: str, command: Sequence[str], *, log: Path, environment: Mapping[str, str]
    ) -> None:
        self.name = name
        self._command = list(command)
        self._log = log
        self._environment = dict(environment)
        self._process: subprocess.Popen[bytes] | None = None
        self._line: IO[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """Process id while the child runs."""
        return self._process.pid if self._process and self._process.poll() is None else None

    @property
    def exit_code(self) -> int | None:
        """Exit code of the last run, None while it runs or before the first start."""
        return self._process.poll() if self._process else None

    def spawn(self, settings: Mapping[str, object] | None = None) -> IO[bytes]:
        """Start the process and hand over its settings; returns its standard output."""
        _shorten(self._log)
        reading, writing = os.pipe()
        try:
            with self._log.open("ab") as log:
                self._process = subprocess.Popen(  # noqa: S603
                    self._command,
                    stdin=reading,
                    stdout=subprocess.PIPE,
                    stderr=log,
                    env=self._environment,
                    start_new_session=True,  # Ctrl-C in the terminal is for the supervisor, who then stops us
                )
        except OSError as problem:
            os.close(writing)
            raise ChildError(self._sentence(f"cannot run ({problem.strerror})")) from problem
        finally:
            os.close(reading)
        self._line = os.fdopen(writing, "wb", buffering=0)
        if settings is not None:
            with contextlib.suppress(BrokenPipeError):  # it ended at once: the missing ready line tells
                self._line.write(json.dumps(settings).encode() + b"\n")
        return cast(IO[bytes], self._process.stdout)

    def start(self, settings: Mapping[str, object], *, timeout: float) -> dict[str, Any]:
        """Start and wait for the ready line; returns its facts. Raises ChildError after `timeout` seconds."""
        output = self.spawn(settings)
        lines: queue.Queue[bytes] = queue.Queue()
        threading.Thread(target=_drain, args=(output, lines), daemon=True, name=f"{self.name}-output").start()
        try:
            line = lines.get(timeout=timeout)
        except queue.Empty:
            self.kill()
            raise ChildError(self._sentence(f"was not ready after {timeout:.0f} s")) from None
        if not line:
            self.wait(5)
            raise ChildError(self._sentence(f"ended with code {self.exit_code}"))
        facts: dict[str, Any] = json.loads(line)
        return facts

    def wait(self, timeout: float) -> bool:
        """Wait for the end; false when it still runs after `timeout` seconds."""
        if self._process is None:
            return True
        try:
            self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            return False
        return True

    def stop(self, *, grace: float) -> None:
        """Close the life line, wait `grace` seconds, then kill."""
        if self._process is None:
            return
        self._close_line()
        if not self.wait(grace):
            self.kill()

    def kill(self) -> None:
        """End the process without asking."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._close_line()

    def _close_line(self) -> None:
        if self._line is not None:
            self._line.close()
            self._line = None

    def _sentence(self, what: str) -> str:
        return f"The {self.name} process {what}. Its log: {self._log}"


def _drain(output: IO[bytes], lines: queue.Queue[bytes]) -> None:
    """Pass on the first line (empty at once when there is none) and swallow the rest."""
    first = output.readline()
    lines.put(first)
    while first and output.readline():
        continue
    output.close()


def _shorten(log: Path) -> None:
    """Keep a log from growing for ever: beyond the limit it becomes the one older file."""
    if log.exists() and log.stat().st_size > LOG_LIMIT:
        log.replace(log.with_suffix(".old.log"))
