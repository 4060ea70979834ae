"""Figures of KPIs in words."""

from __future__ import annotations

from backend.kpi import codes
from backend.kpi.reads import DAY_ALONE, OFF_SHIFT, Definition, Tile
from pages.shared.i18n import locale, plain

_NO_SHIFT = (OFF_SHIFT, DAY_ALONE)


def name(code: str, name_en: str) -> str:
    """The KPI's name in this run's language."""
    return name_en if locale() == "en" else code


def unit(sign: str) -> str:
    """The unit in this run's language."""
    return sign if sign == "%" else plain(f"kpi.unit.{sign}")


def figure(value: float | None, sign: str) -> str:
    """`85.7 %`, `¥129.00`, `18.5 秒`; `—` for nothing to divide by."""
    if value is None:
        return "—"
    number = f"{value:,.{codes.PLACES[sign]}f}"
    return f"¥{number}" if sign == codes.YUAN else f"{number} {unit(sign)}"


def target(tile: Tile) -> str:
    """`目标 ≥ 95.0 %`, or nothing without a target."""
    if tile.target is None:
        return ""
    sign = "≥" if tile.direction == "up" else "≤"
    return plain("kpi.target", target=f"{sign} {figure(tile.target, tile.unit)}")


def scope(name: str) -> str:
    """A day, shop, person or shift as tables and filters show it."""
    return (
        plain({OFF_SHIFT: "kpi.off_shift", DAY_ALONE: "kpi.day_alone"}[name]) if name in _NO_SHIFT else name
    )


def formula(definition: Definition) -> str:
    """How it is made, in this run's language."""
    return definition.formula_en if locale() == "en" else definition.formula


def sources(kinds: tuple[str, ...]) -> str:
    """The files, any of which would do."""
    return plain("kpi.or").join(plain(f"imports.kind.{kind}") for kind in kinds)
