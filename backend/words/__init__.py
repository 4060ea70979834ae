"""The compliance word check: what advertising law forbids, why, and what to write instead. No database
needed."""

from backend.words.engine import check_many, check_one
from backend.words.models import (
    CATEGORIES,
    KINDS,
    Category,
    Context,
    Hit,
    Kind,
    Notice,
    Result,
    Severity,
    Verdict,
)
from backend.words.proposal import rewrite

__all__ = [
    "CATEGORIES",
    "KINDS",
    "Category",
    "Context",
    "Hit",
    "Kind",
    "Notice",
    "Result",
    "Severity",
    "Verdict",
    "check_many",
    "check_one",
    "rewrite",
]
