"""纠纷处理权限表: what a handler may grant alone, changing that, and where prices are protected."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from pydantic import Field
from supabase import Client

from backend import db
from backend.row import Row

POTS: Final = ("compensation", "refund_only", "return_refund", "reship", "price_protection")
"""What is added up together; gifts count as compensation, at cost."""
WITHOUT_LIMIT: Final = ("reship", "price_protection")
"""Pots that do without a figure: the value of the order, the calculation."""
BY_CUSTOMER: Final = ("compensation", "refund_only", "return_refund")
PLATFORMS: Final = ("taobao", "jd", "douyin", "pinduoduo", "youzan", "shopify", "own")
"""In the order in which people see them."""
MOST_LIMIT: Final = 999_999.99
MOST_DAYS: Final = 365
MOST_PROTECTED_DAYS: Final = 90


class Limit(Row):
    """A line of the table. `own`: the shop's own version; `version` is 0 while there is none.

    `agent_limit` (CNY, inclusive) None: the order's value or the calculation alone; `customer_days`: the
    limit also holds for all orders of a customer within so many days.
    """

    pot: str
    agent_limit: Decimal | None = None
    customer_days: int | None = None
    own: bool = False
    version: int
    updated_at: datetime
    other_shops: tuple[int, ...] = ()


class Platform(Row):
    """Whether a later lower price is paid back on a platform, within `days` × 24 hours from signing."""

    platform: str
    is_active: bool
    days: int
    version: int


class Person(Row):
    """A manager and what he may approve for others."""

    id: int
    name: str
    limit: Decimal


class Change(Row):
    """Somebody changed a line of the table or a platform. `before` is None for the first change."""

    id: int
    at: datetime
    who: str | None = None
    shop_id: int | None = None
    entity: str
    name: str
    action: str
    after: dict[str, Any] = Field(default_factory=dict)
    before: dict[str, Any] | None = None


class Screen(Row):
    """The whole page."""

    limits: tuple[Limit, ...]
    platforms: tuple[Platform, ...]
    approvers: tuple[Person, ...] = ()
    changes: tuple[Change, ...] = ()


class Effect(Row):
    """What other figures would have done to the requests of the last `days` days."""

    requests: int
    amount: Decimal
    asked_now: int
    asked_then: int
    days: int
    covered_by: tuple[str, ...] = ()


def screen(client: Client, shop_id: int | None = None) -> Screen:
    """The table as it holds for all shops (None) or one."""
    return Screen.model_validate(db.rpc(client, "authority_screen", p_shop_id=shop_id))


def preview(client: Client, shop_id: int | None, pot: str, values: Mapping[str, Any]) -> Effect:
    """What a change would have done; stores nothing. Raises `authority.bad_value`."""
    answer = db.rpc(client, "preview_authority", p_shop_id=shop_id, p_pot=pot, p_rule=dict(values))
    return Effect.model_validate(answer)


def save(
    client: Client, shop_id: int | None, limit: Limit, values: Mapping[str, Any], *, request_id: UUID
) -> None:
    """Changes a line {agent_limit, customer_days}. Raises `authority.stale`, `authority.bad_value`."""
    db.command(
        client,
        "save_authority",
        p_shop_id=shop_id,
        p_pot=limit.pot,
        p_rule=dict(values),
        p_version=limit.version,
        request_id=request_id,
    )


def reset(client: Client, shop_id: int, limit: Limit, *, request_id: UUID) -> None:
    """The shop follows the default again. Raises `authority.stale`."""
    db.command(
        client,
        "reset_authority",
        p_shop_id=shop_id,
        p_pot=limit.pot,
        p_version=limit.version,
        request_id=request_id,
    )


def save_platform(
    client: Client, platform: Platform, is_active: bool, days: int, *, request_id: UUID
) -> None:
    """Where prices are protected, and for how many days. Raises `authority.stale`, `authority.bad_value`."""
    db.command(
        client,
        "save_price_platform",
        p_platform=platform.platform,
        p_is_active=is_active,
        p_days=days,
        p_version=platform.version,
        request_id=request_id,
    )
