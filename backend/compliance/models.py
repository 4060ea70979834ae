"""What the pages of the word check show, as values. Times are aware (UTC); texts are as their authors
wrote them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final, Literal

from pydantic import Field

from backend.history import Event
from backend.row import Row

STATES: Final = (
    "draft",
    "text_review",
    "images",
    "final_review",
    "ready",
    "published",
    "suspended",
    "withdrawn",
)
VERDICTS: Final = ("unchecked", "block", "warn", "clean")
PROPOSAL_STATES: Final = ("draft", "submitted", "approved", "refused", "withdrawn")
EXEMPTION_REASONS: Final = (
    "self_compare",
    "award",
    "certificate",
    "licence",
    "fact_with_source",
    "registered_name",
    "other",
)
Step = Literal["submit", "approve", "return", "publish", "withdraw"]
Target = Literal["word", "exception"]
Action = Literal["add", "change", "disable"]


class Word(Row):
    """A word that holds now; `platforms` empty: everywhere. `origin` own: people decided it."""

    id: int
    position: int
    term: str
    category: str
    severity: Literal["block", "warn"]
    legal_basis: str
    suggestion: str = ""
    match_kind: str = "exact"
    context: str = ""
    exceptions: str = ""
    platforms: tuple[str, ...] = ()
    is_active: bool = True
    origin: str = "shipped"
    reason: str = ""
    from_version: int


class WordPage(Row):
    """A page of the dictionary; `next` is what to pass as `after`."""

    rows: tuple[Word, ...]
    version: int
    next: dict[str, int] | None = None


class WordException(Row):
    """Where words are harmless (clean), need evidence (warn) or alone count (need); see
    backend/words/conditions.py."""

    id: int
    terms: tuple[str, ...]
    effect: Literal["clean", "warn", "need"]
    place: str
    pattern: str
    note: str = ""
    platforms: tuple[str, ...] = ()
    is_active: bool = True
    origin: str = "shipped"
    reason: str = ""
    from_version: int


class WordState(Row):
    """One state in the life of a word; `approved_by` null: brought by the program."""

    id: int
    severity: str
    category: str
    suggestion: str
    platforms: tuple[str, ...]
    is_active: bool
    origin: str
    reason: str
    from_version: int
    to_version: int | None = None
    at: datetime
    proposed_by: str | None = None
    approved_by: str | None = None


class Trial(Row):
    """What a proposal would change in the stored texts. `terms`: the 50 most concerned, with counts."""

    state: Literal["", "waiting", "running", "done", "failed"] = ""
    error: str | None = None
    done: int = 0
    texts: int = 0
    new_count: int = 0
    released_count: int = 0
    live_blocked: int = 0
    terms: dict[str, int] = Field(default_factory=dict)
    new: tuple[dict[str, Any], ...] = ()
    released: tuple[dict[str, Any], ...] = ()


class ProposalItem(Row):
    """One operation; `before` is the row it replaces, whole."""

    n: int
    target: Target
    action: Action
    id: int | None = None
    facts: dict[str, Any] = Field(default_factory=dict)
    reason: str
    before: dict[str, Any] | None = None


class Proposal(Row):
    """A proposal; `is_tried`: a trial of exactly these operations is done. `items` on its own page
    alone."""

    id: int
    title: str
    state: str
    item_count: int
    items_version: int
    tried_version: int | None = None
    version: int
    author: str
    created_by: int
    created_at: datetime
    submitted_at: datetime | None = None
    decided_by: str | None = None
    decided_at: datetime | None = None
    decision_note: str | None = None
    made_version: int | None = None
    trial: Trial = Trial()
    can_decide: bool = False
    items: tuple[ProposalItem, ...] = ()

    @property
    def is_tried(self) -> bool:
        """Whether it may be submitted."""
        return self.tried_version == self.items_version


class EvidenceFile(Row):
    """A file of evidence; `size` in bytes."""

    id: int
    name: str
    mime: str
    size: int
    uploaded_at: datetime


class Exemption(Row):
    """A word allowed on evidence in a shop, or for one product of it, until the end of `valid_until`."""

    id: int
    shop_id: int
    shop_name: str
    product_id: int | None = None
    sku: str | None = None
    product_name: str | None = None
    term: str
    category: str
    reason: str
    note: str
    valid_until: date
    is_expired: bool
    state: str
    version: int
    requested_by: int
    requested_by_name: str
    requested_at: datetime
    decided_by_name: str | None = None
    decided_at: datetime | None = None
    decision_note: str | None = None
    can_decide: bool = False
    files: tuple[EvidenceFile, ...] = ()


class Listing(Row):
    """A row of the list. `verdict`: of the current revision, evidence counted in; `live_verdict`: of the
    published one."""

    id: int
    shop_id: int
    shop_name: str
    platform: str
    product_id: int | None = None
    sku: str = ""
    title: str
    state: str
    state_since: datetime
    author_id: int
    author: str
    revision_id: int
    revision: int
    category: str
    is_published: bool
    is_newest_published: bool
    verdict: str
    live_verdict: str | None = None
    hits: int = 0
    images: int | tuple[str, ...] = 0
    published_at: datetime | None = None
    updated_at: datetime
    version: int
    reason: str | None = None
    text_by: str | None = None
    final_by: str | None = None


class ListingPage(Row):
    """A page of the list. `count` and the tabs stop at 1,001 ("1000+"); `next` is what to pass as
    `after`."""

    rows: tuple[Listing, ...]
    count: int
    next: int | None = None
    tabs: dict[str, int] = Field(default_factory=dict)


class StoredHit(Row):
    """A hit as stored: code points of the part's text. `is_exempt`: evidence allows it now."""

    start: int
    end: int
    term: str
    category: str
    severity: str
    found_at: datetime
    is_exempt: bool = False


class PartCheck(Row):
    """The verdict on one part (title, selling_points, description); `is_current`: of the version that
    holds."""

    part: str
    verdict: str
    words_version: int
    is_current: bool
    checked_at: datetime
    notices: tuple[str, ...] = ()
    hits: tuple[StoredHit, ...] = ()


class Revision(Row):
    """The texts of a listing as one person wrote them."""

    id: int
    listing_id: int
    number: int
    title: str
    selling_points: str = ""
    description: str = ""
    category: str = "general"
    licences: tuple[str, ...] = ()
    author: str
    created_at: datetime
    checks: tuple[PartCheck, ...] = ()


class Right(Row):
    """Whether I may take a step: `key` is null, or the message key that says why not."""

    key: str | None = None
    params: dict[str, Any] | None = None


class ListingDetail(Row):
    """Everything the page of a listing shows. `published`: the live revision when it is not the current
    one."""

    listing: Listing
    revision: Revision
    published: Revision | None = None
    revisions: tuple[dict[str, Any], ...] = ()
    rights: dict[str, Right] = Field(default_factory=dict)
    timeline: tuple[Event, ...] = ()


class Answer(Row):
    """What became of one listing: `key` and `params` say why it was refused."""

    id: int
    ok: bool = False
    key: str | None = None
    params: dict[str, Any] = Field(default_factory=dict)
    part: str | None = None
    version: int | None = None
    state: str | None = None


class Moved(Row):
    """The outcome of a step; `batch_id` takes it back for ten minutes (null: nothing to take back)."""

    done: int
    batch_id: int | None = None
    items: tuple[Answer, ...] = ()

    @property
    def refused(self) -> tuple[Answer, ...]:
        """The listings that did not move."""
        return tuple(item for item in self.items if not item.ok)


class Recheck(Row):
    """A run over all texts: `done` of `total` listings, and the difference it made."""

    id: int
    words_version: int
    cause: str
    state: str
    total: int
    done: int
    new_hits: int
    released_hits: int
    suspended: int
    started_at: datetime
    finished_at: datetime | None = None


class RecheckChange(Row):
    """One difference of a run."""

    id: int
    shop_id: int
    shop_name: str
    listing_id: int
    title: str
    state: str
    part: str
    term: str
    severity: str
    change: Literal["new", "released"]


class FileCheck(Row):
    """A file of mine. `progress`: {rows, total, block, warn, clean}; `result_parts` pieces to download
    when done."""

    id: int
    name: str
    shop_id: int | None = None
    options: dict[str, Any] = Field(default_factory=dict)
    state: str
    progress: dict[str, Any] = Field(default_factory=dict)
    error: str | None = None
    created_at: datetime
    finished_at: datetime | None = None
    result_parts: int = 0


@dataclass(frozen=True, slots=True)
class Operation:
    """A wished change of the dictionary. `id`: the row it concerns (not for add); `facts`: the columns
    it sets."""

    target: Target
    action: Action
    reason: str
    facts: dict[str, Any]
    id: int | None = None

    def as_json(self) -> dict[str, Any]:
        """As `save_proposal` takes it."""
        given = {"target": self.target, "action": self.action, "reason": self.reason, "facts": self.facts}
        return given if self.id is None else given | {"id": self.id}


@dataclass(frozen=True, slots=True)
class ListingRef:
    """A listing to act on, with the version that was on the screen."""

    id: int
    version: int


@dataclass(frozen=True, slots=True)
class Draft:
    """What a person writes. `shop_id` counts for new listings; `sku` finds the product where it is in
    stock."""

    shop_id: int
    title: str
    selling_points: str = ""
    description: str = ""
    category: str = "general"
    licences: tuple[str, ...] = ()
    sku: str = ""
    product_id: int | None = None
