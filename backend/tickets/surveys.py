"""满意度: invitations and their answers, platform ratings, low-score reviews, and the link for customers.

One request each; the database decides who may, closes what was answered well and opens a review of what was
not. Free text is masked before it leaves this process. Refusals are :class:`backend.errors.AppError`.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import Field
from supabase import Client

from backend import db, pii, words
from backend.config import Settings
from backend.errors import AppError
from backend.row import Row
from backend.service import Service

MOST_COMMENT = 500
TOKEN_BYTES = 32
SCORES = (1, 2, 3, 4, 5)
LEVELS = ("very_satisfied", "satisfied", "neutral", "dissatisfied", "very_dissatisfied")


class Survey(Row):
    """A line of the lists. `due_at`: when somebody has to ask or call; `handler`: whose work is rated;
    `holder`: who claimed it; `can_record`: whether the answer is mine to record; `first_score`: before it was
    put right.
    """

    id: int
    version: int
    shop_id: int
    shop_name: str
    kind: Literal["order", "ticket"]
    order_id: int | None = None
    order_no: str | None = None
    ticket_id: int | None = None
    case_id: int | None = None
    instance: int = 1
    state: str
    is_sampled: bool = False
    is_called: bool = False
    due_at: datetime
    closes_at: datetime
    asked_at: datetime | None = None
    asked_by: str | None = None
    score: int | None = None
    comment: str | None = None
    answered_at: datetime | None = None
    answered_by: str | None = None
    answered_as: str | None = None
    handler: str | None = None
    is_own: bool = False
    receiver_masked: str | None = None
    buyer_account: str | None = None
    can_link: bool = False
    holder: str | None = None
    can_record: bool = False
    first_score: int | None = None
    corrected_by: str | None = None
    can_correct: bool = False

    @property
    def label(self) -> str:
        """The number people know it by."""
        return f"T-{self.ticket_id}" if self.ticket_id else (self.order_no or "")


class Rating(Row):
    """What a customer said on the platform; `score` is its stars, or its grade as 1–5."""

    id: int
    shop_id: int
    shop_name: str
    order_id: int | None = None
    order_no: str | None = None
    rating: int | None = None
    level: str | None = None
    score: int
    text: str | None = None
    rated_at: datetime
    agent: str | None = None
    ticket_id: int | None = None


class Review(Row):
    """A low-score case; `can_finish`: whether this person leads the shop now."""

    id: int
    shop_id: int
    shop_name: str
    ticket_id: int
    ticket_version: int
    ticket_state: str
    type: str
    summary: str = ""
    score: int
    kind: str | None = None
    comment: str | None = None
    owner: str | None = None
    handler: str | None = None
    opened_at: datetime
    due_at: datetime | None = None
    state: str
    finding: str | None = None
    root_cause: str | None = None
    outcome: str | None = None
    done_at: datetime | None = None
    done_by: str | None = None
    can_finish: bool = False


class Surveys(Row):
    """A page of surveys; `next` goes back as `after`. `counts` {ask, low} stop at 1,001."""

    rows: tuple[Survey, ...]
    next: dict[str, Any] | None = None
    counts: dict[str, int] = Field(default_factory=dict)


class Ratings(Row):
    """A page of platform ratings."""

    rows: tuple[Rating, ...]
    next: dict[str, Any] | None = None


class Reviews(Row):
    """A page of low-score reviews."""

    rows: tuple[Review, ...]
    next: dict[str, Any] | None = None


class Invitation(Row):
    """What to send to a customer."""

    id: int
    version: int
    kind: str
    state: str
    score: int | None = None
    closes_at: datetime
    low_score: int
    can_link: bool = False
    text: str


class Answered(Row):
    """What became of a survey and its case."""

    id: int
    version: int
    state: str
    score: int | None = None
    ticket_id: int | None = None
    ticket_state: str | None = None
    ticket_version: int | None = None


class Rules(Row):
    """Settings of a shop, or (shop_id null) of all without their own; `version` null: none of its own yet."""

    shop_id: int | None = None
    is_own: bool
    version: int | None = None
    order_share: int
    callback_share: int
    low_score: int
    answer_days: int
    order_text: str
    ticket_text: str
    effect: dict[str, Any] = Field(default_factory=dict)


# Reading ---------------------------------------------------------------------------------------------------


def invitations(client: Client, wanted: Mapping[str, Any]) -> Surveys:
    """Surveys {tab: ask | answers, shop_id, kind, state, score, after, limit}: open ones soonest first."""
    return Surveys.model_validate(db.rpc(client, "survey_list", p=_given(wanted)))


def ratings(client: Client, wanted: Mapping[str, Any]) -> Ratings:
    """Platform ratings {shop_id, low, after, limit}, latest first."""
    return Ratings.model_validate(db.rpc(client, "rating_list", p=_given(wanted)))


def reviews(client: Client, wanted: Mapping[str, Any]) -> Reviews:
    """Low-score reviews {state: open | done, shop_id, after, limit}."""
    return Reviews.model_validate(db.rpc(client, "review_list", p=_given(wanted)))


def invitation(client: Client, *, ticket_id: int | None = None, order_id: int | None = None) -> Invitation:
    """The text to copy for a ticket or an order. Raises survey.none."""
    found = db.rpc(client, "survey_text", p_ticket_id=ticket_id, p_order_id=order_id)
    return Invitation.model_validate(found)


def rules(client: Client, shop_id: int | None = None) -> Rules:
    """The settings that hold for a shop, and what they work on in 30 days."""
    return Rules.model_validate(db.rpc(client, "survey_settings_screen", p_shop_id=shop_id))


# Acting ----------------------------------------------------------------------------------------------------


def record(
    client: Client,
    subject: Mapping[str, int],
    score: int | None,
    *,
    comment: str = "",
    called: bool = False,
    request_id: UUID,
) -> Answered:
    """What the customer answered; `score` None: asked, no answer yet. `subject` {survey_id | ticket_id |
    order_id}.
    """
    answer = {"score": score} if score is not None else {"no_answer": True}
    said = {"comment": pii.mask_free_text(comment.strip()), "as": "call" if called else "typed"}
    facts = {**subject, **answer, **said}
    return Answered.model_validate(db.command(client, "record_score", p=facts, request_id=request_id))


def claim(client: Client, survey_id: int, *, request_id: UUID) -> None:
    """I ask or call the customer of an order: his answer is mine to record. Raises survey.claimed."""
    db.command(client, "claim_survey", request_id=request_id, p_id=survey_id)


def correct(
    client: Client, survey_id: int, version: int, score: int, reason: str, *, request_id: UUID
) -> Answered:
    """Puts a score right that was recorded wrong; both are kept. Raises survey.own, survey.stale."""
    facts = {"score": score, "reason": pii.mask_free_text(reason.strip())}
    found = db.command(
        client, "correct_score", request_id=request_id, p_survey_id=survey_id, p_version=version, p=facts
    )
    return Answered.model_validate(found)


def link(client: Client, survey_id: int, *, public_url: str, request_id: UUID) -> str:
    """A link to one survey for a customer of the private domain; the token exists in this answer alone.
    Raises survey.no_link for customers of platform shops.
    """
    token = secrets.token_urlsafe(TOKEN_BYTES)
    db.command(
        client,
        "survey_link",
        p_survey_id=survey_id,
        p_token_hash=token_hash(token),
        request_id=request_id,
    )
    return f"{public_url}/survey/{token}"


def finish_review(
    client: Client,
    ticket_id: int,
    version: int,
    *,
    finding: str,
    root_cause_id: int | None,
    then: Literal["close", "rework"],
    request_id: UUID,
) -> None:
    """Ends a low-score review with its finding and root cause. Raises review.*, ticket.*."""
    facts = {"finding": pii.mask_free_text(finding), "root_cause_id": root_cause_id, "then": then}
    db.command(
        client,
        "finish_review",
        p_ticket_id=ticket_id,
        p_version=version,
        p=facts,
        request_id=request_id,
    )


def save_rules(
    client: Client, shop_id: int | None, version: int | None, values: Mapping[str, Any], *, request_id: UUID
) -> None:
    """Saves settings. Raises survey.inducement for a text that fishes for good reviews, survey.text_blocked
    for prohibited terms, survey.settings_stale.
    """
    hits = [
        hit.term
        for name in ("order_text", "ticket_text")
        for hit in words.check_one(str(values[name]), kind="reply").hits
        if hit.severity == "block"
    ]
    if hits:
        raise AppError("survey.text_blocked", params={"terms": "、".join(sorted(set(hits)))})
    db.command(
        client,
        "save_survey_settings",
        p_shop_id=shop_id,
        p_version=version,
        p=dict(values),
        request_id=request_id,
    )


# The public page -------------------------------------------------------------------------------------------


def token_hash(token: str) -> str:
    """What the database keeps of a link: SHA-256 in letters."""
    return pii.letters(hashlib.sha256(token.encode()).digest())


def caller_hash(settings: Settings, address: str, day: date | None = None) -> str:
    """Who calls, for the brake alone: a keyed hash of the address, with another key each day."""
    today = day or datetime.now(UTC).date()
    message = f"shopdesk/survey-caller/v1|{today}|{address}"
    return pii.letters(hmac.digest(settings.cookie_secret.encode(), message.encode(), "sha256"))


def opened(service: Service, token: str, caller: str) -> dict[str, str]:
    """What a link leads to: {state: open, kind, shop} or {state: answered | gone | slow}."""
    found: dict[str, str] = service.rpc("survey_open", p_token=token_hash(token), p_caller=caller)
    return found


def answered(service: Service, token: str, score: int | None, comment: str, caller: str) -> str:
    """The answer behind a link: thanks, answered, gone, slow, or bad (no score)."""
    said = (pii.mask_free_text(comment.strip()) or "")[:MOST_COMMENT]
    found = service.rpc(
        "survey_answer", p_token=token_hash(token), p_score=score, p_comment=said, p_caller=caller
    )
    return str(found["state"])


def _given(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}
