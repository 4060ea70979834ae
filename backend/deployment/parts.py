"""The parts of a deployment, in order: what each would do, and doing it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import psycopg

from backend.config import Deployment, Settings
from backend.deployment import database, project, schedule
from backend.deployment.database import DeployError

PARTS: Final = ("database", "auth", "secrets", "functions", "schedule")
SHOWN: Final = 40  # lines of a difference; an empty project has thousands

Connection = psycopg.Connection[Any]
State = Literal["same", "pending", "done"]


@dataclass(frozen=True, slots=True)
class Report:
    """What a part found or did: `same` nothing to do, `pending` it would, `done` it has."""

    part: str
    state: State
    lines: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Sending:
    """A part that is sent as a whole: a name for what is sent, what to say of it, and how."""

    digest: str
    lines: tuple[str, ...]
    send: Callable[[], None]


def run(
    settings: Settings | None,
    deployment: Deployment,
    *,
    parts: Sequence[str] = PARTS,
    apply: bool,
    say: Callable[[Report], None],
) -> None:
    """Plan or deploy the parts one after the other; each is reported as soon as it is known.

    `settings` is None when only the database is deployed. Raises DeployError at the first part that cannot
    be; the parts before it are done and are not done again next time.
    """
    if deployment.db_url == "":
        raise DeployError(
            "SUPABASE_DB_URL is not set: copy it from the dashboard (Connect, Session pooler), with password."
        )
    with database.connect(deployment.db_url) as connection:
        for part in (part for part in PARTS if part in parts):
            if part == "database":
                say(_database(connection, apply=apply))
                continue
            if settings is None or not settings.hosted:
                raise DeployError(
                    f"The part {part} needs SUPABASE_URL and the other four settings of a hosted project."
                )
            say(_sent(connection, part, _sending(connection, part, settings, deployment), apply=apply))


def _database(connection: Connection, *, apply: bool) -> Report:
    found = database.apply(connection) if apply else database.plan(connection)
    if not found:
        return Report("database", "same")
    lines = [*(f"step {step}" for step in found.steps), *found.difference.lines()]
    if found.is_new:
        lines = [f"an empty project: {len(found.difference.added)} objects"]
    elif len(lines) > SHOWN:
        lines = [*lines[:SHOWN], f"… and {len(lines) - SHOWN} more"]
    return Report("database", "done" if apply else "pending", tuple(lines))


def _sent(connection: Connection, part: str, sending: Sending, *, apply: bool) -> Report:
    known = database.sent(connection, part)
    if known is not None and known[0] == sending.digest:
        return Report(part, "same", (f"sent {known[1]:%Y-%m-%d %H:%M} UTC",))
    if not apply:
        return Report(part, "pending", sending.lines)
    sending.send()
    database.remember(connection, part, sending.digest)
    return Report(part, "done", sending.lines)


def _sending(connection: Connection, part: str, settings: Settings, deployment: Deployment) -> Sending:
    makers: dict[str, Callable[[], Sending]] = {
        "auth": lambda: _auth(settings, deployment),
        "secrets": lambda: _secrets(settings, deployment),
        "functions": lambda: _functions(settings, deployment),
        "schedule": lambda: _schedule(connection, settings),
    }
    return makers[part]()


def _auth(settings: Settings, deployment: Deployment) -> Sending:
    text = project.CONFIG.read_text("utf-8")
    return Sending(
        digest=database.digest(text),
        lines=("settings of supabase/config.toml, e-mail confirmation off among them",),
        send=lambda: project.push_auth(project.find(settings, deployment)),
    )


def _secrets(settings: Settings, deployment: Deployment) -> Sending:
    values = project.secrets(settings, deployment)
    if "DESK_PUBLIC_URL" not in values:
        raise DeployError(
            "DESK_PUBLIC_URL is not set: reminders link to the desk, so they must know where people open it."
        )
    return Sending(
        digest=database.digest(*(f"{name}={value}" for name, value in sorted(values.items()))),
        lines=tuple(values),
        send=lambda: project.push_secrets(project.find(settings, deployment), values),
    )


def _functions(settings: Settings, deployment: Deployment) -> Sending:
    return Sending(
        digest=project.functions_digest(),
        lines=tuple(project.function_names()),
        send=lambda: project.push_functions(project.find(settings, deployment)),
    )


def _schedule(connection: Connection, settings: Settings) -> Sending:
    absent = schedule.missing(connection)
    if absent:
        raise DeployError(
            f"This server has no {', '.join(absent)}: let the host's own scheduler call"
            " /functions/v1/sla-reminders each minute (header apikey) and leave this part out (--only)."
        )
    return Sending(
        digest=schedule.schedule_digest(settings),
        lines=("the edge functions each minute (pg_cron)",),
        send=lambda: schedule.apply(connection, settings),
    )
