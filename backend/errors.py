"""Failures that a person can understand: a stable key, parameters, and a sentence in the person's language.

The database refuses with SQLSTATE PT4xx, the key as message and jsonb parameters as detail; this module turns
that answer into an :class:`AppError`. The sentences live in ``backend/messages/<area>.json`` as
``{key: {"zh-CN": …, "en": …}}``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

import httpx
from postgrest.exceptions import APIError

LANGUAGES: Final = ("zh-CN", "en")
_MESSAGES: Final = Path(__file__).with_name("messages")
_STATUS_OF_SQLSTATE: Final = {
    "42501": 403,
    "57014": 504,
    "55P03": 503,
    "40P01": 503,
    "PGRST301": 401,
    "PGRST303": 401,
}
_KEY_OF_STATUS: Final = {401: "session.ended", 403: "access.denied", 503: "service.busy", 504: "service.slow"}


class AppError(Exception):
    """A refusal: stable ``key``, HTTP-like ``status``, ``params`` for its sentence (never personal data)."""

    def __init__(self, key: str, *, status: int = 422, params: Mapping[str, Any] | None = None) -> None:
        super().__init__(key)
        self.key = key
        self.status = status
        self.params: dict[str, Any] = dict(params or {})

    def message(self, lang: str = "zh-CN") -> str:
        """The sentence for a person: what happened, what was kept, what to do next."""
        return message(self.key, lang, **self.params)


@cache
def catalogue() -> dict[str, dict[str, str]]:
    """All sentences by key and language; a key defined twice is a programming error."""
    merged: dict[str, dict[str, str]] = {}
    for path in sorted(_MESSAGES.glob("*.json")):
        for key, sentences in json.loads(path.read_text("utf-8")).items():
            if key in merged:
                raise ValueError(f"message {key} is defined twice, again in {path.name}")
            merged[key] = sentences
    return merged


def message(key: str, lang: str = "zh-CN", **params: Any) -> str:
    """The sentence of ``key`` in ``lang``; the general sentence for a key without one."""
    sentences = catalogue()
    template = sentences.get(key, sentences["error.unexpected"])[lang if lang in LANGUAGES else "zh-CN"]
    return template.format_map(_Blank({name: value for name, value in params.items() if value is not None}))


class _Blank(dict[str, Any]):
    """Parameters of a sentence: a missing one prints as an ellipsis instead of hiding the whole refusal."""

    def __missing__(self, key: str) -> str:
        return "…"


def from_api_error(error: APIError) -> AppError:
    """The refusal behind a PostgREST error: our own PT4xx keys, or a general key by status for the rest."""
    code = str(error.code or "")
    if code.startswith("PT4") and code[2:].isdigit():
        return AppError(str(error.message), status=int(code[2:]), params=_params(error.details))
    if code.startswith("22") or code == "23505":  # a value the gateway could not even hand over
        return AppError("request.bad_value", status=422, params={"code": code})
    status = _STATUS_OF_SQLSTATE.get(code, 500)
    return AppError(_KEY_OF_STATUS.get(status, "error.unexpected"), status=status, params={"code": code})


def from_transport_error(error: httpx.HTTPError) -> AppError:
    """The service could not be reached, or did not answer in time."""
    slow = isinstance(error, httpx.TimeoutException)
    return AppError("service.slow" if slow else "service.unreachable", status=504 if slow else 503)


def _params(details: Any) -> dict[str, Any]:
    if isinstance(details, str):
        try:
            details = json.loads(details)
        except json.JSONDecodeError:
            return {}
    return details if isinstance(details, dict) else {}
