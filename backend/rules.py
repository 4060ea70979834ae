"""异常规则 (exception rules): how each kind holds for a shop, what a change would do, and changing it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from supabase import Client

from backend import db
from backend.checks import divisions, suspicious
from backend.orders.models import KINDS

NEVER_WAIVED: Final = ("unpaid", "refund_stop")
WAIVERS: Final = ("reviewer", "warehouse", "manager", "never")
_COLUMNS: Final = "shop_id,kind,is_active,is_blocking,severity,waived_by,params,version,updated_at"
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Rule:
    """The rule of a kind as it holds for a shop (or all of them).

    `own` tells a shop's own version from the default it follows; `version` is 0 while there is no own one.
    """

    kind: str
    shop_id: int | None
    own: bool
    version: int
    is_active: bool
    is_blocking: bool
    severity: str
    waived_by: str
    params: Mapping[str, Any]
    updated_at: str

    @property
    def values(self) -> Row:
        """What can be changed, as the database takes it."""
        return {
            "is_active": self.is_active,
            "is_blocking": self.is_blocking,
            "severity": self.severity,
            "waived_by": self.waived_by,
            "params": dict(self.params),
        }


def list_rules(client: Client, shop_id: int | None) -> list[Rule]:
    """The ten rules as they hold for a shop; None means the defaults."""
    rows = db.rows(client.table("exception_rules").select(_COLUMNS))
    default = {row["kind"]: row for row in rows if row["shop_id"] is None}
    own = {row["kind"]: row for row in rows if shop_id is not None and row["shop_id"] == shop_id}
    found = []
    for kind in KINDS:
        row = own.get(kind, default[kind])
        version = row["version"] if shop_id is None or kind in own else 0
        facts = {name: row[name] for name in row if name not in ("shop_id", "version", "kind")}
        found.append(Rule(kind=kind, shop_id=shop_id, own=kind in own, version=version, **facts))
    return found


def overrides(client: Client) -> dict[str, list[int]]:
    """Which shops have their own version of a kind."""
    query = client.table("exception_rules").select("shop_id,kind").order("shop_id")
    found: dict[str, list[int]] = {}
    for row in db.rows(query):
        if row["shop_id"] is not None:
            found.setdefault(row["kind"], []).append(row["shop_id"])
    return found


def preview(client: Client, rule: Rule, values: Mapping[str, Any]) -> Row:
    """What a change would do: {open, appear, vanish, rechecks}. Raises AppError for values out of range."""
    answer: Row = db.rpc(
        client, "preview_rule", p_shop_id=rule.shop_id, p_kind=rule.kind, p_rule=dict(values)
    )
    return answer


def save(client: Client, rule: Rule, values: Mapping[str, Any], *, request_id: UUID) -> None:
    """Changes the rule; the waiting orders are judged anew. Raises AppError (rule.stale and others)."""
    db.command(
        client,
        "save_rule",
        p_shop_id=rule.shop_id,
        p_kind=rule.kind,
        p_rule=dict(values),
        p_version=rule.version,
        request_id=request_id,
    )


def reset(client: Client, rule: Rule, *, request_id: UUID) -> None:
    """The shop follows the default again. Raises AppError (rule.stale)."""
    db.command(
        client,
        "reset_rule",
        p_shop_id=rule.shop_id,
        p_kind=rule.kind,
        p_version=rule.version,
        request_id=request_id,
    )


def changes(client: Client) -> list[Row]:
    """The latest changes of rules, newest first: {at, who, shop_id, kind, action, after, before}."""
    found: list[Row] = db.rpc(client, "rule_changes")
    return found


def provinces() -> list[str]:
    """All provinces under their short names, as rules write them (an order's province starts with it)."""
    names = divisions.load().provinces
    short = {full: name for name, full in names.items() if len(name) >= 2 and full.startswith(name)}
    return list(short.values())


def suspicious_words(params: Mapping[str, Any]) -> dict[str, list[str]]:
    """The words of a rule; one without words of its own uses the built-in ones."""
    return {**suspicious.default_params(), **{name: list(words) for name, words in params.items()}}
