"""The page behind a survey link: a plain form that works without scripts and cookies, in Chinese or English.

It holds nothing about a person or an order, so there is nothing to steal but the right to one answer; that
lies in the token of the address, which is why the page is never cached and never sent on as a referrer.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from http import HTTPStatus
from pathlib import Path
from typing import Final
from urllib.parse import parse_qs

MOST_BODY: Final = 16_384
"""Bytes of an answer: 500 characters of comment, percent-encoded, fit three times."""
HEADERS: Final = {
    "cache-control": "no-store",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-robots-tag": "noindex",
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; "
    "frame-ancestors 'none'; base-uri 'none'",
}
STATUS: Final = {
    "open": HTTPStatus.OK,
    "thanks": HTTPStatus.OK,
    "bad": HTTPStatus.UNPROCESSABLE_ENTITY,
    "answered": HTTPStatus.GONE,
    "gone": HTTPStatus.NOT_FOUND,
    "slow": HTTPStatus.TOO_MANY_REQUESTS,
    "down": HTTPStatus.SERVICE_UNAVAILABLE,
}
_WORDS: Final[Mapping[str, Mapping[str, str]]] = json.loads(
    Path(__file__).with_name("survey_page.json").read_text("utf-8")
)
_STYLE: Final = Path(__file__).with_name("survey_page.css").read_text("utf-8")


@dataclass(frozen=True, slots=True)
class Answer:
    """What was typed: `score` None when nothing usable was chosen."""

    score: int | None
    comment: str


def language(asked: str | None, accepted: str | None) -> str:
    """zh-CN unless the address (?lang=en) or the browser's first language says otherwise."""
    if asked in ("en", "zh-CN"):
        return asked
    first = (accepted or "").split(",")[0].strip().lower()
    return "en" if first and not first.startswith("zh") and first != "*" else "zh-CN"


def parse(body: bytes) -> Answer:
    """The fields of a form that was sent; anything odd counts as not chosen."""
    try:
        fields = parse_qs(body.decode("utf-8", "replace"), max_num_fields=8) if len(body) <= MOST_BODY else {}
    except ValueError:  # more fields than the form has
        fields = {}
    score = fields.get("score", [""])[0]
    comment = fields.get("comment", [""])[0].replace("\x00", "")
    return Answer(int(score) if score in ("1", "2", "3", "4", "5") else None, comment[:500])


def page(state: str, lang: str, *, kind: str = "order", shop: str = "", answer: Answer | None = None) -> str:
    """The page of a state: the form (open, bad), or what became of it."""
    body = _form(state, lang, kind, shop, answer) if state in ("open", "bad") else _told(state, lang)
    other = "en" if lang == "zh-CN" else "zh-CN"
    return (
        f'<!doctype html><html lang="{lang}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{_word('title', lang)}</title><style>{_STYLE}</style></head><body><main>{body}</main>"
        f'<footer><a href="?lang={other}" lang="{other}">{_word("other", lang)}</a></footer>'
        "</body></html>"
    )


def _told(state: str, lang: str) -> str:
    return f'<h1>{_word(state, lang)}</h1><p class="hint">{_word(f"{state}.hint", lang)}</p>'


def _form(state: str, lang: str, kind: str, shop: str, answer: Answer | None) -> str:
    title = _word("ask.ticket" if kind == "ticket" else "ask.order", lang).format(shop=escape(shop))
    chosen = answer.score if answer else None
    scores = "".join(
        f'<label class="score"><input type="radio" name="score" value="{score}" required'
        f"{' checked' if score == chosen else ''}>{_word(f'score.{score}', lang)}</label>"
        for score in (5, 4, 3, 2, 1)
    )
    alert = f'<p role="alert">{_word("bad", lang)}</p>' if state == "bad" else ""
    return (
        f'<h1>{title}</h1>{alert}<form method="post" action="?lang={lang}">'
        f'<fieldset><legend class="hint">{_word("scale", lang)}</legend>{scores}</fieldset>'
        f'<p><label for="comment">{_word("comment", lang)}</label></p>'
        '<textarea id="comment" name="comment" maxlength="500" aria-describedby="hint">'
        f"{escape(answer.comment) if answer else ''}</textarea>"
        f'<p class="hint" id="hint">{_word("comment.hint", lang)}</p>'
        f'<button>{_word("send", lang)}</button></form><p class="hint">{_word("privacy", lang)}</p>'
    )


def _word(key: str, lang: str) -> str:
    return _WORDS[key][lang]
