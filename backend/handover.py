"""交接班: what is due before my next shift goes to a colleague on duty; who left without handing over."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Literal
from uuid import UUID

from supabase import Client

from backend import db, pii
from backend.row import Row

Area = Literal["exception", "ticket", "lead"]
NOTE_LENGTH = 200


class Shift(Row):
    """The shift I work or have just ended. ``next_starts_at`` None: nothing is planned after it."""

    ends_at: datetime
    opens_at: datetime
    pool_at: datetime
    next_starts_at: datetime | None


class Item(Row):
    """An item of a handover. ``receiver``: to whom it was offered or who took it."""

    id: int
    area: Area
    entity_id: int
    shop_id: int
    label: str
    path: str
    due_at: datetime
    note: str
    state: Literal["open", "offered", "declined", "accepted", "pooled", "kept", "gone"]
    receiver: str | None

    @property
    def is_mine(self) -> bool:
        """Whether its owner can still offer it to somebody."""
        return self.state in ("open", "declined", "offered")


class Handover(Row):
    """My handover of a shift, items that are still mine first."""

    id: int
    opened_at: datetime
    shift_ends_at: datetime
    pool_at: datetime
    closed_at: datetime | None
    items: tuple[Item, ...]


class Receiver(Row):
    """A colleague on duty, the shops he works for and what he may take on."""

    member_id: int
    name: str
    shop_ids: tuple[int, ...]
    areas: tuple[Area, ...]

    def can_take(self, items: Sequence[Item]) -> bool:
        """Whether all of these items may go to this colleague."""
        return all(item.shop_id in self.shop_ids and item.area in self.areas for item in items)


class Offer(Row):
    """What a colleague asks me to take on."""

    id: int
    who: str
    items: tuple[Item, ...]


class Screen(Row):
    """What the page shows one person. ``in_hand``: how many of my items are due before my next shift."""

    at: datetime
    sees_everybody: bool
    shift: Shift | None
    in_hand: int
    mine: Handover | None
    receivers: tuple[Receiver, ...]
    offers: tuple[Offer, ...]


class Past(Row):
    """A handover as leaders see it: items by what became of them. ``is_left``: went without handing over."""

    id: int
    name: str
    shift_ends_at: datetime
    opened_at: datetime | None
    closed_at: datetime | None
    is_left: bool
    accepted: int
    pooled: int
    kept: int
    waiting: int


class Answer(Row):
    """What became of an offer: records taken, items that were somebody else's already, items declined."""

    taken: int
    gone: int
    declined: int


def screen(client: Client) -> Screen:
    """My handover, my colleagues on duty, and what they offer me."""
    return Screen.model_validate(db.rpc(client, "handover_screen"))


def begin(client: Client, *, request_id: UUID) -> int:
    """Begin the handover of my shift, or add what I have taken since; answers how many items are open.

    Raises `handover.no_shift`, `handover.too_early` (at).
    """
    return int(db.command(client, "open_handover", request_id=request_id)["items"])


def offer(client: Client, notes: Mapping[int, str], receiver_id: int | None, *, request_id: UUID) -> int:
    """Offer items (their ids with a note each) to a colleague on duty; None only keeps the notes.

    A phone number in a note is masked. Raises `handover.stale`, `handover.bad_receiver`, `handover.off_duty`,
    `handover.bad_note`.
    """
    items = [{"id": key, "note": pii.mask_free_text(note) or ""} for key, note in notes.items()]
    answer = db.command(
        client, "offer_handover", p_items=items, p_receiver_id=receiver_id, request_id=request_id
    )
    return int(answer["done"])


def answer(
    client: Client, handover_id: int, *, accept: Sequence[int], decline: Sequence[int], request_id: UUID
) -> Answer:
    """Take these items of a colleague's offer and give those back to him.

    Raises `handover.nothing_offered`.
    """
    found = db.command(
        client,
        "accept_handover",
        p_handover_id=handover_id,
        p_accept=list(accept),
        p_decline=list(decline),
        request_id=request_id,
    )
    return Answer.model_validate(found)


def log(client: Client, days: int = 7) -> tuple[Past, ...]:
    """Handovers of the last days (at most 31) in my shops, newest first.

    Raises `handover.not_lead`.
    """
    return tuple(Past.model_validate(row) for row in db.rpc(client, "handover_log", p_days=days))
