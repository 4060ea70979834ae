"""Checking with the version that holds, and storing the verdict where publishing asks for it.

A verdict is bound to the SHA-256 of exactly this text, its kind, shop, product category and licences,
and the version. The
text itself does not leave: a reply may name a customer.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

from backend.compliance.dictionary import Book, current
from backend.db import Rpc
from backend.errors import AppError
from backend.pii import letters
from backend.words import CATEGORIES, KINDS, Category, Context, Kind, Result, check_many

MOST: Final = 50_000
"""Characters of one text (product decision): more than any platform takes in a description."""
_CHUNK: Final = 500
_TRIES: Final = 4
_DROPPED: Final = {0: None} | dict.fromkeys(range(0xD800, 0xE000))


@dataclass(frozen=True, slots=True)
class Subject:
    """One text and where it stands: `entity`, `entity_id` and `part` name the place (ticket reply 7, body).

    `licences` are "type:number". The place keeps one current text: storing another one closes what was
    found before.
    """

    text: str
    kind: Kind
    shop_id: int
    entity: str
    entity_id: int
    part: str = "body"
    platform: str | None = None
    category: Category = "general"
    licences: tuple[str, ...] = ()
    author_id: int | None = None


def normal(text: str) -> str:
    """The text as it is stored and checked: no NUL, no halves of characters, line ends as one sign."""
    return text.replace("\r\n", "\n").replace("\r", "\n").translate(_DROPPED)


def sha(text: str) -> str:
    """The hash a verdict is bound to, as `private.sha256` writes it."""
    return letters(hashlib.sha256(text.encode()).digest())


def look(
    rpc: Rpc,
    text: str,
    *,
    kind: Kind = "description",
    platform: str | None = None,
    category: Category = "general",
    licences: Sequence[str] = (),
) -> Result:
    """Check a text that is being written; stores nothing. Raises `text.too_long`."""
    _fits(text)
    context = Context(kind, category, tuple(licences))
    return check_many([text], contexts=[context], dictionary=current(rpc).on(platform))[0]


def check(rpc: Rpc, subjects: Iterable[Subject]) -> list[Result]:
    """Check texts with the version that holds and store the verdicts; results in the same order.

    `rpc` is the service's. The text must be `normal` already: what is published must equal what was
    checked. Raises
    `text.too_long`, `text.bad_check`, and `text.version` if the dictionary keeps changing meanwhile.
    """
    given = list(subjects)
    for subject in given:
        _fits(subject.text)
    results: list[Result] = []
    for first in range(0, len(given), _CHUNK):
        results.extend(_store(rpc, given[first : first + _CHUNK]))
    return results


def check_revision(rpc: Rpc, revision_id: int) -> dict[str, Result]:
    """Check the texts of a listing's revision and store the verdicts: part -> result. Raises
    `listing.none`."""
    found = rpc("service_revision", p_id=revision_id)
    if found is None:
        raise AppError("listing.none", status=404)
    subjects = list(subjects_of(found))
    return {s.part: r for s, r in zip(subjects, check(rpc, subjects), strict=True)}


def subjects_of(row: Mapping[str, Any]) -> Iterable[Subject]:
    """The texts of a row of `service_texts` or `service_revision`."""
    for part in row["parts"] or ():
        yield Subject(
            text=part["text"],
            kind=cast("Kind", part["kind"]),
            shop_id=row["shop_id"],
            entity=row["entity"],
            entity_id=row["entity_id"],
            part=part["part"],
            platform=row["platform"],
            category=cast("Category", row["category"]),
            licences=tuple(row["licences"]),
            author_id=row["author_id"],
        )


def judge(book: Book, subjects: Sequence[Subject]) -> list[Result]:
    """Check texts with a version, each with its platform's words; results in the same order."""
    results: list[Result | None] = [None] * len(subjects)
    platforms: dict[str, list[int]] = {}
    for n, subject in enumerate(subjects):
        platforms.setdefault(subject.platform or "", []).append(n)
    for platform, places in platforms.items():
        found = check_many(
            [subjects[n].text for n in places],
            contexts=[_context(subjects[n]) for n in places],
            dictionary=book.on(platform or None),
        )
        for n, result in zip(places, found, strict=True):
            results[n] = result
    return cast("list[Result]", results)


def _store(rpc: Rpc, subjects: Sequence[Subject]) -> list[Result]:
    """Judge and store; once more when somebody approved a new version in between."""
    for attempt in range(_TRIES):
        book = current(rpc)
        results = judge(book, subjects)
        rows = [_row(s, r) for s, r in zip(subjects, results, strict=True)]
        try:
            rpc("store_text_check", p_version=book.version, p_checks=rows)
        except AppError as problem:
            if problem.key != "text.version" or attempt == _TRIES - 1:
                raise
        else:
            return results
    raise AssertionError("the last attempt returns or raises")


def _row(subject: Subject, result: Result) -> dict[str, Any]:
    return {
        "sha": sha(subject.text),
        "kind": subject.kind,
        "shop_id": subject.shop_id,
        "category": subject.category,
        "licences": sorted(set(subject.licences)),
        "entity": subject.entity,
        "entity_id": subject.entity_id,
        "part": subject.part,
        "author_id": subject.author_id,
        "notices": [notice.key for notice in result.notices],
        "hits": [
            {
                "start": hit.start,
                "end": hit.end,
                "term": hit.term,
                "category": hit.category,
                "severity": hit.severity,
                "disguised": hit.disguised,
            }
            for hit in result.hits
        ],
    }


def _context(subject: Subject) -> Context:
    if subject.kind not in KINDS or subject.category not in CATEGORIES:
        raise AppError("text.bad_check")
    return Context(subject.kind, subject.category, subject.licences)


def _fits(text: str) -> None:
    if len(text) > MOST:
        raise AppError("text.too_long", params={"limit": MOST})
