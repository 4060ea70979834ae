"""Checks of an installation: what is wrong, and what to do about it. Only the first-admin code is made anew.

Every check answers findings; a sentence and its fix are the messages `doctor.<key>` and `doctor.<key>_fix`.
"""

from __future__ import annotations

import base64
import hashlib
import re
import shutil
import stat
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Final

import httpx

from backend import auth, db
from backend.checks.contact import CHECKS_VERSION
from backend.config import ConfigError, Settings
from backend.errors import AppError, message
from backend.local import secrets
from backend.orders.models import KINDS
from backend.pii import Keyring, PiiError, generate_key
from backend.service import Service
from backend.sql import build

RULE_KINDS: Final = frozenset(KINDS)
POLICIES: Final = frozenset({"order_review"})  # the clocks that functions start by name
CALENDARS: Final = frozenset({"all"})
# SHA-256 of the keys (32 bytes) that the repository publishes as examples: whoever can read may use them.
PUBLISHED_KEYS: Final = frozenset(
    {
        "630dcd2966c4336691125448bbb25b4ff412a49c732db2c8abc1b8581bd710dd",
        "e3e16780becf601d55e4751e7d722ef91d750bb0cea61b1bb5ea8bc308cdf262",
    }
)
LATE_MINUTES: Final = 10
LOW_DISK: Final = 1_000_000_000  # bytes; below this an import of 200,000 rows and a backup may not fit
_FUNCTION: Final = re.compile(
    r"^create or replace function (public|private)\.(\w+)\s*\(.*?\bas \$\$(.*?)\$\$", re.DOTALL | re.MULTILINE
)
_READ_BY_OTHERS: Final = stat.S_IRGRP | stat.S_IWGRP | stat.S_IROTH | stat.S_IWOTH
_MISSING_FUNCTION: Final = frozenset({"PGRST202", "42883"})


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing found. A problem makes doctor exit with 1; anything else is only worth knowing."""

    key: str
    params: Mapping[str, Any] = field(default_factory=dict)
    is_problem: bool = True

    def sentence(self, lang: str) -> str:
        """What was found."""
        return message(f"doctor.{self.key}", lang, **self.params)

    def fix(self, lang: str) -> str:
        """What to do about it."""
        return message(f"doctor.{self.key}_fix", lang, **self.params)


Findings = Iterator[Finding]


def examine(settings: Settings, *, serves: bool) -> list[Finding]:
    """Key, API, schema and work of a connected installation.

    `serves`: the desk runs (hosted, or a stack that was running): late work is then somebody's fault.
    """
    found = [*key_form(settings.pii_key), *api(settings)]
    if any(finding.key == "api_unreachable" for finding in found):
        return found
    rpc = Service(settings).rpc
    facts = schema_facts(rpc)
    if isinstance(facts, Finding):
        return [*found, facts]
    found += [*schema(facts), *rights(facts), *work(facts, serves=serves), *people(settings, facts)]
    if not any(finding.key.startswith("pii_key") for finding in found):
        found += key_opens(rpc, Keyring.parse(settings.pii_key))
    return found


# Settings, folder -----------------------------------------------------------------------------------------


def settings_refused(problem: ConfigError) -> Findings:
    """What the settings lack, with a value for what can be made up."""
    made: Mapping[str, Callable[[], str]] = {
        "DESK_COOKIE_SECRET": lambda: generate_key() + generate_key(),
        "DESK_PII_KEY": generate_key,
    }
    for name in problem.missing:
        if name in made:
            yield Finding("setting_missing", {"name": name, "value": made[name]()})
        else:
            yield Finding("setting_missing_supabase", {"name": name})
    if not problem.missing:
        yield Finding("setting_wrong", {"reason": str(problem)})


def folder(path: Path) -> Findings:
    """Rights and room of the data folder of an embedded installation."""
    if path.stat().st_mode & _READ_BY_OTHERS:  # passing through is needed by the account of the database
        yield Finding("folder_open", {"path": path})
    kept = path / secrets.FILE_NAME
    if kept.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        yield Finding("secrets_open", {"path": kept})
    free = shutil.disk_usage(path).free
    if free < LOW_DISK:
        yield Finding("disk_low", {"path": path, "free": f"{free / 1e9:.1f} GB"})


def key_form(text: str) -> Findings:
    """Whether DESK_PII_KEY can be read, and is nobody else's."""
    try:
        Keyring.parse(text)
    except PiiError as problem:
        yield Finding("pii_key_form", {"reason": str(problem), "value": generate_key()})
        return
    for part in (part.strip() for part in text.split(",") if part.strip()):
        encoded = part.rpartition(":")[2]
        raw = base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4))
        if hashlib.sha256(raw).hexdigest() in PUBLISHED_KEYS or len(set(raw)) < 8:
            yield Finding("pii_key_published")


def key_opens(rpc: Callable[..., Any], ring: Keyring) -> Findings:
    """Whether the keys open the oldest and the newest contacts, and whether a change of key is unfinished."""
    first = rpc("service_rekey_next", p_place="contacts", p_key_id="", p_after=0, p_limit=3)
    near_end = max(first["last"] - 3, 0)
    last = rpc("service_rekey_next", p_place="contacts", p_key_id="", p_after=near_end, p_limit=3)
    for row in (*first["rows"], *last["rows"]):
        problem = _refuses(ring, row)
        if problem:
            yield Finding("pii_key_wrong", {"reason": problem})
            return
    old = rpc("service_rekey_next", p_place="contacts", p_key_id=ring.current_id, p_after=0, p_limit=1)
    if old["rows"]:
        yield Finding("rekey_due", is_problem=False)


def _refuses(ring: Keyring, row: Mapping[str, Any]) -> str | None:
    for cell in ("name", "phone", "address", "note", "wechat"):
        if row[cell]:
            try:
                ring.decrypt("contacts", cell, row["id"], row[cell])
            except PiiError as problem:
                return str(problem)
    return None


# The API --------------------------------------------------------------------------------------------------


def api(settings: Settings) -> Findings:
    """Whether the API answers, and lets nobody in by the wrong key."""
    known = {"apikey": settings.publishable_key}
    try:
        health = _ask(settings, "GET", "/auth/v1/health", known)
        nobody = _ask(settings, "GET", "/rest/v1/shops?select=id&limit=1", {})
        anybody = _ask(settings, "GET", "/rest/v1/shops?select=id&limit=1", known)
        service = _ask(settings, "POST", "/rest/v1/rpc/schema_facts", known)
    except httpx.HTTPError as problem:
        yield Finding("api_unreachable", {"url": settings.supabase_url, "reason": type(problem).__name__})
        return
    if health.status_code in (401, 403):
        yield Finding("publishable_refused", {"url": settings.supabase_url})
    elif health.status_code >= 500:
        yield Finding("api_failing", {"url": settings.supabase_url, "status": health.status_code})
    if nobody.status_code < 400:
        yield Finding("keyless_allowed", {"url": settings.supabase_url})
    if settings.hosted:
        yield from _sign_up(settings, known)
    if (anybody.is_success and anybody.json()) or service.is_success:
        yield Finding("anon_allowed")


def _sign_up(settings: Settings, headers: Mapping[str, str]) -> Findings:
    """Whether a one-time code can open an account: mail addresses are synthetic and never confirmed."""
    answer = _ask(settings, "GET", "/auth/v1/settings", headers)
    known = answer.json() if answer.is_success else {}
    if isinstance(known, dict):
        if known.get("mailer_autoconfirm") is False:
            yield Finding("email_confirmation")
        if known.get("disable_signup") is True:
            yield Finding("sign_up_closed")


def _ask(settings: Settings, method: str, path: str, headers: Mapping[str, str]) -> httpx.Response:
    body: dict[str, str] | None = {} if method == "POST" else None
    return db.http().request(method, f"{settings.supabase_url}{path}", headers=dict(headers), json=body)


# The schema -----------------------------------------------------------------------------------------------


def schema_facts(rpc: Callable[..., Any]) -> dict[str, Any] | Finding:
    """What the database says of itself, or why it does not."""
    try:
        facts: dict[str, Any] = rpc("schema_facts")
    except AppError as problem:
        if problem.status in (401, 403):
            return Finding("secret_refused")
        if problem.params.get("code") in _MISSING_FUNCTION or problem.status == 404:
            return Finding("schema_missing")
        return Finding(
            "schema_failing", {"reason": f"{problem.key} {problem.params.get('code', '')}".strip()}
        )
    return facts


@cache
def functions() -> Mapping[str, str]:
    """MD5 of the body of every function of this program's schema, by name."""
    found = _FUNCTION.findall(build.assemble())
    return {
        f"{schema}.{name}": hashlib.md5(body.encode(), usedforsecurity=False).hexdigest()
        for schema, name, body in found
    }


def schema(facts: Mapping[str, Any]) -> Findings:
    """Whether the database is the one this program was written for, and has what it starts with."""
    there: Mapping[str, str] = facts["functions"]
    other = sorted(name for name, body in functions().items() if there.get(name) != body)
    if facts["has_test_clock"]:
        yield Finding("test_clock")
        other = [name for name in other if name != "private.now"]
    if other:
        yield Finding("schema_other", {"count": len(other), "names": ", ".join(other[:3])})
    if (facts["checks_version"] or 0) > CHECKS_VERSION:
        yield Finding("program_old")
    for name, wanted in (("rule_kinds", RULE_KINDS), ("policies", POLICIES), ("calendars", CALENDARS)):
        missing = sorted(wanted - set(facts[name]))
        if missing:
            yield Finding(f"{name}_missing", {"names": ", ".join(missing)})


def rights(facts: Mapping[str, Any]) -> Findings:
    """Rights that nobody may have; somebody changed them by hand."""
    for name in ("tables_without_rls", "writable", "readable_by_anon", "open_functions"):
        if facts[name]:
            yield Finding(name, {"names": ", ".join(facts[name][:5]), "count": len(facts[name])})


# Work and people ------------------------------------------------------------------------------------------


def work(facts: Mapping[str, Any], *, serves: bool) -> Findings:
    """Background work, imports, and how far the calendars reach."""
    if facts["dead_jobs"]:
        yield Finding("jobs_dead", {"count": facts["dead_jobs"]})
    if serves and facts["waiting_minutes"] >= LATE_MINUTES:
        yield Finding("nobody_works", {"minutes": facts["waiting_minutes"]})
    if serves and facts["stuck_imports"]:
        yield Finding("imports_stuck", {"files": ", ".join(facts["stuck_imports"])})
    if facts["unchecked_orders"]:
        yield Finding("orders_unchecked", {"count": facts["unchecked_orders"]}, is_problem=False)
    if facts["uncovered_years"]:
        yield Finding("holidays_missing", {"years": ", ".join(map(str, facts["uncovered_years"]))})


def people(settings: Settings, facts: Mapping[str, Any]) -> Findings:
    """Whether somebody can administer the desk; a fresh one-time code when nobody is a member yet."""
    if facts["members"] == 0:
        code = auth.issue_first_admin_code(settings)
        if code:
            yield Finding("nobody_yet", {"code": code}, is_problem=False)
    elif facts["admins"] == 0:
        yield Finding("no_admin")
    elif len(facts["admin_numbers"]) == 1:
        yield Finding("one_admin", {"staff_no": facts["admin_numbers"][0]}, is_problem=False)
    if facts["members_without_shops"]:
        names = ", ".join(facts["members_without_shops"][:10])
        yield Finding("members_without_shops", {"names": names}, is_problem=False)
