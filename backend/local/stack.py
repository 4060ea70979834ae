"""The embedded stack: Postgres, the API gateway and the edge functions, started, watched and stopped as one.

with Stack(Path(".desk")) as stack:
    create_client(stack.api_url, stack.publishable_key)
"""

from __future__ import annotations

import fcntl
import json
import os
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import psutil
import psycopg

from backend import config
from backend.local import apply, deno
from backend.local import secrets as secret_files
from backend.local.child import Child, ChildError
from backend.local.postgres import Postgres, free_port
from backend.local.secrets import Secrets

RUNTIME_FILE = "runtime.json"
READY_TIMEOUT = 60.0
STOP_GRACE = 10.0
WATCH_EVERY = 0.1
CALM_AFTER = 10.0
MANY_FAILURES = 5
PATIENT_DELAY = 15.0
TICK_SECONDS = 60.0


class StackError(Exception):
    """The stack cannot run; the message is a sentence for the person at the console."""


def say_on_stderr(line: str) -> None:
    """Progress for the person at the console; standard output belongs to the caller's data."""
    print(line, file=sys.stderr, flush=True)


class Stack:
    """One installation in one data folder. A second instance on it is refused with StackError."""

    def __init__(
        self,
        data_dir: Path | str,
        *,
        port: int = 0,
        test_clock: bool = False,
        fsync: bool = True,
        say: Callable[[str], None] = say_on_stderr,
    ) -> None:
        self.data_dir = Path(data_dir).expanduser().resolve()
        self._say = say
        self._test_clock = test_clock
        self._fsync = fsync
        self._api_port = port
        self._functions_port = 0
        self._lock: IO[str] | None = None
        self._secrets: Secrets | None = None
        self._postgres: Postgres | None = None
        self._children: dict[str, Child] = {}
        self._watcher: threading.Thread | None = None
        self._stopping = threading.Event()
        self._step = threading.RLock()
        self._health: dict[str, _Health] = {}
        self.failed: str | None = None  # a sentence while a part does not come back

    # What callers need to connect ---------------------------------------------------------------------------

    @property
    def secrets(self) -> Secrets:
        """All secrets of this installation."""
        if self._secrets is None:
            raise StackError("The embedded stack has not been started")
        return self._secrets

    @property
    def api_url(self) -> str:
        """Address for the Supabase client."""
        return f"http://127.0.0.1:{self._api_port}"

    @property
    def publishable_key(self) -> str:
        """API key of the application."""
        return self.secrets.publishable_key

    @property
    def secret_key(self) -> str:
        """API key of background work."""
        return self.secrets.secret_key

    @property
    def cookie_secret(self) -> str:
        """Key of the web sessions."""
        return self.secrets.cookie_secret

    @property
    def pii_key(self) -> str:
        """Key of the personal data."""
        return self.secrets.pii_key

    @property
    def db_url(self) -> str:
        """libpq address as the schema's owner."""
        return apply.urls(self._server, self.secrets)["owner"]

    @property
    def admin_url(self) -> str:
        """libpq address as superuser."""
        return apply.urls(self._server, self.secrets)["admin"]

    @property
    def pids(self) -> dict[str, int]:
        """Process ids of what runs now: postgres, gateway, functions."""
        found = {name: child.pid for name, child in self._children.items()}
        found["postgres"] = self._postgres.pid if self._postgres else None
        return {name: pid for name, pid in found.items() if pid is not None}

    # Start and stop -----------------------------------------------------------------------------------------

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> Self:
        """Start what does not run yet; returns when the API answers."""
        if self._watcher is not None:
            return self
        try:
            self.start_database()
            self._start_children()
        except BaseException:
            self.stop()
            raise
        self._write_runtime()
        self._watcher = threading.Thread(target=self._watch, daemon=True, name="stack-watcher")
        self._watcher.start()
        return self

    def start_database(self, *, bring_up_to_date: bool = True) -> None:
        """First half of `start`: Postgres runs and holds the current schema, nothing serves it yet.

        A backup reads the data as they are: it does not bring the schema up to date first.
        """
        if self._postgres is not None and self._postgres.running:
            return
        self._stopping.clear()
        self.failed = None
        self._claim()
        try:
            self._secrets = secret_files.load_or_create(self.data_dir)
            deno.prepare(self._say)
            self._postgres = Postgres(
                self.data_dir / "postgres",
                superuser_password=self._secrets.superuser_password,
                say=self._say,
                fsync=self._fsync,
            )
            self._postgres.start()
            if bring_up_to_date:
                self.apply_schema()
        except (ChildError, apply.ApplyError, ValueError, OSError, psycopg.OperationalError) as problem:
            self.stop()
            raise StackError(str(problem)) from problem
        except BaseException:
            self.stop()
            raise

    def apply_schema(self) -> None:
        """Bring the database to the state of this version; quick when it is there already."""
        apply.ensure_database(self._server, self.secrets)
        apply.apply_all(
            self._server,
            self.secrets,
            log=self._log("accounts"),
            test_clock=self._test_clock,
            say=self._say,
        )

    def stop(self) -> None:
        """Stop everything; afterwards no process of this stack is left."""
        self._stopping.set()
        if self._watcher is not None and self._watcher is not threading.current_thread():
            self._watcher.join()
        self._watcher = None
        with self._step:
            for child in self._children.values():
                child.stop(grace=STOP_GRACE)
            self._children.clear()
            if self._postgres is not None:
                self._postgres.stop()
        if self._lock is not None:
            (self.data_dir / RUNTIME_FILE).unlink(missing_ok=True)
            self._lock.close()
            self._lock = None

    def restart_gateway(self) -> None:
        """Stop the gateway and start a new process on the same port."""
        with self._step:
            self._children["gateway"].stop(grace=STOP_GRACE)
            self._start_gateway()

    def set_clock(self, at: datetime | None) -> None:
        """Stop the product's clock at an instant, or let it run again (None). Needs `test_clock=True`."""
        if not self._test_clock:
            raise StackError("This stack was started without a test clock")
        with psycopg.connect(self.admin_url, autocommit=True) as admin:
            admin.execute("update private.test_clock set at = %s", (at,))

    # The parts ----------------------------------------------------------------------------------------------

    @property
    def _server(self) -> Postgres:
        if self._postgres is None:
            raise StackError("The embedded stack has not been started")
        return self._postgres

    def _claim(self) -> None:
        """Take the data folder for this process alone."""
        self.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        (self.data_dir / "log").mkdir(mode=0o700, exist_ok=True)
        lock = (self.data_dir / "lock").open("a")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            raise StackError(self._taken()) from None
        self._lock = lock

    def _taken(self) -> str:
        running = read_runtime(self.data_dir)
        who = f" by process {running['pid']} ({running['api_url']})" if running else " by another process"
        return (
            f"The data folder {self.data_dir} is already in use{who}. Stop that one first, or choose another "
            "folder with DESK_DATA_DIR or --data."
        )

    def _log(self, name: str) -> Path:
        return self.data_dir / "log" / f"{name}.log"

    def _start_children(self) -> None:
        try:
            self._start_functions()
            self._start_gateway()
        except ChildError as problem:
            raise StackError(str(problem)) from problem

    def _start_functions(self) -> None:
        self._functions_port = self._functions_port or free_port()
        folder = deno.FUNCTIONS
        permissions = ["--allow-net", "--allow-env", f"--allow-read={folder},{deno.GATEWAY}", "--allow-sys"]
        command = deno.command("functions.ts", permissions, configuration=deno.functions_config())
        self._api_port = self._api_port or free_port()
        settings = {
            "folder": str(folder),
            "port": self._functions_port,
            "secretKey": self.secret_key,
            "tickSeconds": TICK_SECONDS,
            "environment": self._functions_environment(),
        }
        self._start_child("functions", command, settings)

    def _functions_environment(self) -> dict[str, str]:
        """What a hosted project gives its edge functions, under the same names."""
        reminders = config.reminders()
        environment = {
            "SUPABASE_URL": self.api_url,
            "SUPABASE_PUBLISHABLE_KEY": self.publishable_key,
            "SUPABASE_PUBLISHABLE_KEYS": json.dumps({"default": self.publishable_key}),
            "SUPABASE_SECRET_KEY": self.secret_key,
            "SUPABASE_SECRET_KEYS": json.dumps({"default": self.secret_key}),
            "DESK_PII_KEY": self.pii_key,
            "DESK_PUBLIC_URL": reminders.public_url,
        }
        return environment | ({config.LOOPBACK_CHANNELS: "1"} if reminders.loopback_channels else {})

    def _start_gateway(self) -> None:
        settings = {
            "databaseUrl": apply.urls(self._server, self.secrets)["authenticator"],
            "port": self._api_port,
            "functionsPort": self._functions_port,
            "publishableKey": self.publishable_key,
            "secretKey": self.secret_key,
            "jwtSecret": self.secrets.jwt_secret,
        }
        self._start_child("gateway", deno.command("main.ts", deno.loopback_only()), settings)

    def _start_child(self, name: str, command: list[str], settings: Mapping[str, object]) -> None:
        child = self._children.get(name)
        if child is None:
            child = Child(name, command, log=self._log(name), environment=deno.environment())
            self._children[name] = child
        child.start(settings, timeout=READY_TIMEOUT)

    def _write_runtime(self) -> None:
        facts = {
            "pid": os.getpid(),
            "api_url": self.api_url,
            "db_url": self.db_url,
            "admin_url": self.admin_url,
            "publishable_key": self.publishable_key,
            "secret_key": self.secret_key,
        }
        secret_files.write_private(self.data_dir / RUNTIME_FILE, facts)

    # Watching -----------------------------------------------------------------------------------------------

    def _watch(self) -> None:
        """Bring back every part that ends by itself, faster at first, and never stop trying."""
        self._health = {name: _Health() for name in ("postgres", *self._children)}
        while not self._stopping.wait(WATCH_EVERY):
            missing = self._missing()
            for name in missing[:1] if "postgres" in missing else missing:
                self._revive(name, self._health[name])
            if self.failed is not None and not missing:
                self.failed = None
                self._say("Everything runs again")

    def _missing(self) -> list[str]:
        lost = [] if self._postgres is None or self._postgres.running else ["postgres"]
        return lost + [name for name, child in self._children.items() if child.pid is None]

    def _revive(self, name: str, health: _Health) -> None:
        if time.monotonic() < health.next_try:
            return
        starters = {
            "postgres": self._restart_postgres,
            "functions": self._start_functions,
            "gateway": self._start_gateway,
        }
        with self._step:
            if self._stopping.is_set() or name not in self._missing():
                return
            try:
                starters[name]()
                self._say(f"Restarted {name}, which had ended unexpectedly")
            except (ChildError, OSError) as problem:
                self._say(f"Could not restart {name}: {problem}")
        health.count()
        if health.failures == MANY_FAILURES:
            self.failed = (
                f"{name} ended {MANY_FAILURES} times in a row; the desk cannot work. Look into "
                f"{self.data_dir / 'log'}. It is tried again every {PATIENT_DELAY:.0f} s."
            )
            self._say(self.failed)

    def _restart_postgres(self) -> None:
        """A gateway whose database was killed may hold requests that nobody will answer: it starts anew."""
        self._server.start()
        if "gateway" in self._children:
            self._children["gateway"].kill()
            self._start_gateway()


@dataclass(slots=True)
class _Health:
    """How often one part had to be started again without a calm time in between."""

    failures: int = 0
    last_try: float = 0.0
    next_try: float = 0.0

    def count(self) -> None:
        """Note a restart and set the earliest time of the next one."""
        now = time.monotonic()
        self.failures = 1 if now - self.last_try > CALM_AFTER else self.failures + 1
        self.last_try = now
        delay = PATIENT_DELAY if self.failures >= MANY_FAILURES else 0.25 * 2**self.failures
        self.next_try = now + delay


def read_runtime(data_dir: Path) -> dict[str, Any] | None:
    """What a running stack wrote about itself, or None when none runs on this data folder."""
    try:
        facts: dict[str, Any] = json.loads((data_dir / RUNTIME_FILE).read_text(encoding="utf-8"))
    except (FileNotFoundError, json.JSONDecodeError):
        return None
    return facts if psutil.pid_exists(int(facts["pid"])) else None
