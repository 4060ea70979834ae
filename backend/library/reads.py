"""What the pages of the library read. One request each; the database shows a person the shops he works
for."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from supabase import Client

from backend import db
from backend.library.models import (
    GiftPage,
    KnowledgeFigures,
    Offer,
    OfferPage,
    Offers,
    OrderGifts,
    Reason,
    RootCause,
    Script,
    ScriptDetail,
    ScriptFigure,
    ScriptPage,
    Solution,
    SolutionDetail,
    SolutionPage,
)


def scripts(client: Client, **wanted: Any) -> ScriptPage:
    """A page of scripts, newest first: tab (SCRIPT_TABS), shop_id, area, stage, scope, author "me", q, after.

    Raises `filter.bad`.
    """
    return ScriptPage.model_validate(db.rpc(client, "script_list", p=_given(wanted)))


def script(client: Client, script_id: int) -> ScriptDetail | None:
    """Everything about one script; None for one that I do not see."""
    found = db.rpc(client, "script_detail", p_id=script_id)
    return ScriptDetail.model_validate(found) if found else None


def scripts_for(
    client: Client,
    shop_id: int,
    *,
    area: str | None = None,
    stage: str | None = None,
    root_cause_id: int | None = None,
    skus: Sequence[str] = (),
    objection: str | None = None,
    q: str | None = None,
    limit: int = 20,
) -> tuple[Script, ...]:
    """What may be said in a shop now, the best fitting first. Raises `shop.none`."""
    wanted = {
        "shop_id": shop_id,
        "area": area,
        "stage": stage,
        "root_cause_id": root_cause_id,
        "skus": list(skus),
        "objection": objection,
        "q": q or None,
        "limit": limit,
    }
    return tuple(Script.model_validate(row) for row in db.rpc(client, "scripts_for", p=_given(wanted)))


def script_figures(
    client: Client, since: datetime, until: datetime, *, shop_id: int | None = None
) -> tuple[ScriptFigure, ...]:
    """Use and outcome of scripts from `since` to before `until` (at most 400 days), most used first."""
    found = db.rpc(
        client, "script_figures", p_from=since.isoformat(), p_to=until.isoformat(), p_shop_id=shop_id
    )
    return tuple(ScriptFigure.model_validate(row) for row in found)


def root_causes(client: Client) -> tuple[RootCause, ...]:
    """The tree, parents before their children, switched off ones too."""
    return tuple(RootCause.model_validate(row) for row in db.rpc(client, "root_cause_tree"))


def reasons(client: Client, purpose: str | None = None) -> tuple[Reason, ...]:
    """Reasons to tick for a purpose; without one, all of them, switched off ones too."""
    return tuple(Reason.model_validate(row) for row in db.rpc(client, "reasons", p_purpose=purpose))


def solutions(client: Client, **wanted: Any) -> SolutionPage:
    """A page of solutions, newest first: tab (SOLUTION_TABS), q, root_cause_id, type, author "me", after.

    Raises `filter.bad`.
    """
    return SolutionPage.model_validate(db.rpc(client, "solution_list", p=_given(wanted)))


def solution(client: Client, solution_id: int) -> SolutionDetail | None:
    """Everything about one solution; None when there is none."""
    found = db.rpc(client, "solution_detail", p_id=solution_id)
    return SolutionDetail.model_validate(found) if found else None


def suggest(
    client: Client,
    *,
    root_cause_id: int | None = None,
    case_type: str | None = None,
    product_ids: Sequence[int] = (),
) -> tuple[Solution, ...]:
    """At most ten solutions for a case, the best first."""
    found = db.rpc(
        client,
        "suggest_solutions",
        p_root_cause_id=root_cause_id,
        p_type=case_type,
        p_product_ids=list(product_ids),
    )
    return tuple(Solution.model_validate(row) for row in found)


def knowledge_figures(
    client: Client, since: datetime, until: datetime, *, shop_id: int | None = None
) -> KnowledgeFigures:
    """知识库复用率 from `since` to before `until` (at most 400 days), of my shops or one."""
    found = db.rpc(
        client, "knowledge_figures", p_from=since.isoformat(), p_to=until.isoformat(), p_shop_id=shop_id
    )
    return KnowledgeFigures.model_validate(found)


def offers(client: Client, kind: str, **wanted: Any) -> OfferPage:
    """A page of gift or price rules, newest first: tab (OFFER_TABS), shop_id, q, after. Raises
    `filter.bad`."""
    return OfferPage.model_validate(db.rpc(client, "offer_list", p=_given(wanted | {"kind": kind})))


def offer_history(client: Client, offer_id: int) -> tuple[Offer, ...]:
    """A rule and those it replaced, newest first, each with its timeline."""
    return tuple(Offer.model_validate(row) for row in db.rpc(client, "offer_history", p_id=offer_id))


def offers_for(
    client: Client, shop_id: int, skus: Sequence[str] = (), amount: Decimal | None = None
) -> Offers:
    """What may be promised in a shop now, for products and an amount (None: not known yet)."""
    found = db.rpc(
        client,
        "offers_for",
        p_shop_id=shop_id,
        p_skus=list(skus),
        p_amount=None if amount is None else str(amount),
    )
    return Offers.model_validate(found)


def order_gifts(client: Client, order_id: int) -> OrderGifts | None:
    """Gifts promised on an order; None for one that I do not see."""
    found = db.rpc(client, "order_gift_list", p_order_id=order_id)
    return OrderGifts.model_validate(found) if found else None


def gift_check(client: Client, **wanted: Any) -> GiftPage:
    """漏发赠品: promised gifts that nobody ticked, oldest first: tab (GIFT_TABS), shop_id, after."""
    return GiftPage.model_validate(db.rpc(client, "gift_check", p=_given(wanted)))


def _given(wanted: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in wanted.items() if value not in (None, "")}
