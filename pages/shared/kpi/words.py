"""Figures of KPIs in words."""

from __future__ import annotations

import altair as alt

from backend.kpi import codes
from backend.kpi.reads import DAY_ALONE, OFF_SHIFT, Definition, Tile
from pages.shared.format import md
from pages.shared.i18n import locale, plain

FEW = 10
"""Fewer cases than this are taken with care (product decision)."""

_NO_SHIFT = {OFF_SHIFT: "kpi.off_shift", DAY_ALONE: "kpi.day_alone"}


def name(code: str, name_en: str) -> str:
    """The KPI's name in this run's language."""
    return name_en if locale() == "en" else code


def unit(sign: str) -> str:
    """The unit in this run's language."""
    return sign if sign == "%" else plain(f"kpi.unit.{sign}")


def figure(value: float | None, sign: str, *, missed: float | None = None) -> str:
    """`85.7 %`, `¥129.00`, `18.5 秒`; `—` for nothing to divide by. Of a target that was `missed`, as many
    digits more (four at most, as figures have) as tell the two apart.
    """
    if value is None:
        return "—"
    places = codes.PLACES[sign]
    while missed is not None and places < 4 and f"{value:.{places}f}" == f"{missed:.{places}f}":
        places += 1
    number = f"{value:,.{places}f}"
    return f"¥{number}" if sign == codes.YUAN else f"{number} {unit(sign)}"


def current(tile: Tile) -> str:
    """The figure of a tile; a missed one never looks like its target."""
    return figure(tile.value, tile.unit, missed=tile.target if tile.is_met is False else None)


def axis(sign: str) -> alt.Y:
    """The axis of values: the unit stands behind each label, upright on narrow windows too."""
    labels = alt.Axis(labelExpr=f"datum.label + ' {unit(sign)}'")
    return alt.Y("value:Q", title=None, axis=labels, scale=alt.Scale(zero=False, nice=True))


def target(tile: Tile) -> str:
    """`目标 ≥ 95.0 %`, or nothing without a target."""
    return wanted(tile.target, tile.direction, tile.unit)


def wanted(value: float | None, direction: str, sign: str) -> str:
    """The same of a figure that must go `up` or `down`."""
    if value is None:
        return ""
    return plain("kpi.target", target=f"{'≥' if direction == 'up' else '≤'} {figure(value, sign)}")


def scope(name: str) -> str:
    """A day, shop, person or shift as tables and filters show it."""
    return plain(_NO_SHIFT[name]) if name in _NO_SHIFT else name


def verdict(tile: Tile, *, between: str = " ") -> str:
    """Markdown: the target, met or not, and the sample; fewer than `FEW` cases say so."""
    if not tile.sample:
        return f":gray[{plain('kpi.no_cases')}]"
    few = f" · {plain('kpi.few')}" if tile.sample < FEW else ""
    until = f" · {plain('kpi.until', day=f'{tile.counted_to:%m-%d}')}" if tile.counted_to else ""
    sample = f":gray[{plain('kpi.sample', count=f'{tile.sample:,}')}{until}{few}]"
    if tile.is_met is None:
        return sample
    sign = ":green-badge[:material/check:" if tile.is_met else ":red-badge[:material/priority_high:"
    return f"{sign} {md(target(tile))}]{between}{sample}"


def parts(definition: Definition | None) -> list[tuple[str, str]]:
    """Columns of what is divided by what, in Chinese by name: `响应秒数（分子）`; a count has no divisor."""
    names = [("numerator", "kpi.column.numerator"), ("denominator", "kpi.column.denominator")]
    if definition is None or locale() == "en":
        return [(name, plain(key)) for name, key in names]
    own = {"numerator": definition.numerator, "denominator": definition.denominator}
    return [
        (name, plain("common.of_what", name=own[name], what=plain(key))) for name, key in names if own[name]
    ]


def formula(definition: Definition) -> str:
    """How it is made, in this run's language."""
    return definition.formula_en if locale() == "en" else definition.formula


def sources(kinds: tuple[str, ...]) -> str:
    """The files, any of which would do."""
    return plain("kpi.or").join(plain(f"imports.kind.{kind}") for kind in kinds)
