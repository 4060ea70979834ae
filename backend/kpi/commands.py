"""What people change about KPIs: targets, alerts, whose name a nick is, counting days anew."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any
from uuid import UUID

from supabase import Client

from backend import db


def change_definition(
    client: Client, code: str, version: int, change: Mapping[str, Any], *, request_id: UUID
) -> None:
    """A new version of a KPI with other `threshold`, `platform_thresholds` or `params`. Raises AppError
    `kpi.stale`, `kpi.form`, `kpi.platform`, `kpi.no_change`."""
    params = {"p_code": code, "p_version": version, "p": dict(change)}
    db.command(client, "change_kpi", **params, request_id=request_id)


def set_alert(
    client: Client, alert_id: int, version: int, change: Mapping[str, Any], *, request_id: UUID
) -> None:
    """Switch a watched target on or off, or change `min_sample` and `margin` (percent). Raises AppError."""
    params = {"p_id": alert_id, "p_version": version, "p": dict(change)}
    db.command(client, "set_alert", **params, request_id=request_id)


def name_agent(client: Client, shop_id: int, agent: str, member_id: int | None, *, request_id: UUID) -> None:
    """Say which member a name on a platform is; None: nobody again. Raises AppError `kpi.agent_name`."""
    params = {"p_shop_id": shop_id, "p_agent": agent, "p_member_id": member_id}
    db.command(client, "set_agent_name", **params, request_id=request_id)


def backfill(client: Client, first: date, last: date, *, request_id: UUID) -> int:
    """Count these days anew in the background; answers how many days of shops that are. Raises AppError."""
    params = {"p_from": first.isoformat(), "p_to": last.isoformat()}
    found: dict[str, int] = db.command(client, "backfill_kpis", **params, request_id=request_id)
    return found["days"]
