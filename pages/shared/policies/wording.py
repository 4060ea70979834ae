"""Deadline policies in words: lengths, clocks, steps, and where a variant holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from backend.policies import Calendar, Policy, Step, Terms
from pages.shared.frame import User
from pages.shared.i18n import known, plain
from pages.shared.queue.words import kind_name

Calendars = Mapping[str, Calendar]


def minutes(count: float) -> str:
    """Minutes in the largest unit that fits: `30 分钟`, `2 小时`, `3 天`."""
    for unit, size in (("days", 1440), ("hours", 60)):
        if count >= size and count % size == 0 and (unit == "hours" or count > 2880):
            return plain(f"policies.length.{unit}", count=_figure(count / size))
    return plain("policies.length.minutes", count=_figure(count))


def length(measure: str, allowance: float) -> str:
    """An allowance: `2 小时`, or `5 个工作日`."""
    if measure == "workdays":
        return plain("policies.length.workdays", count=_figure(allowance))
    return minutes(allowance)


def clock(terms: Terms, calendars: Calendars) -> str:
    """By what the time counts: the calendar's name, or the wall clock."""
    if terms.measure == "wall":
        return plain("policies.measure.wall")
    return calendar(terms.calendar, calendars)


def calendar(code: str | None, calendars: Calendars) -> str:
    """The name of a calendar; its code where it is switched off."""
    found = calendars.get(code or "")
    return found.name if found else code or plain("policies.no_calendar")


def moment(step: Step) -> str:
    """When a step comes: `用时 50 %`, `到期前 4 小时`."""
    amount = step.amount or 0
    if step.anchor == "percent":
        return plain("policies.at.percent", count=amount)
    if amount == 0:
        return plain("policies.at.due")
    return plain(f"policies.at.{step.anchor}", length=minutes(amount))


def people(step: Step) -> str:
    """Who hears of it: `负责人、当班主管`."""
    return plain("policies.and").join(plain(f"policies.who.{who}") for who in step.who)


def step(one: Step) -> str:
    """A step in one line: `用时 150 % → 退回待领取，告诉负责人`."""
    return plain(f"policies.step.{one.action}", at=moment(one), who=people(one))


def where(policy: Policy, user: User) -> str:
    """Where a policy holds: `默认`, or the shop and the conditions of a variant."""
    if policy.is_default:
        return plain("policies.default")
    shop = user.shop(policy.shop_id)
    parts = [shop.name if shop else plain("policies.any_shop")]
    parts += [values_words(policy.applies_to, name, held) for name, held in policy.conditions.items()]
    return " · ".join(parts)


def conditions(policy: Policy) -> str:
    """The conditions of a policy alone: `异常：缺货、偏远地区`."""
    return " · ".join(values_words(policy.applies_to, name, held) for name, held in policy.conditions.items())


def values_words(applies_to: str, name: str, held: Sequence[str]) -> str:
    """A condition: `异常：缺货、偏远地区`."""
    words = plain("policies.and").join(value(applies_to, name, one) for one in held)
    return plain(f"policies.fact.{name}", values=words)


def value(applies_to: str, name: str, code: str) -> str:
    """A value of a fact: `缺货`, `A`; a code that has no words as it is."""
    if name == "priority" and known(f"policies.priority.{code}"):
        return plain(f"policies.priority.{code}")
    if applies_to == "order_review" and name == "kind":
        return kind_name(code)
    if applies_to == "ticket" and known(f"policies.ticket.{code}"):
        return plain(f"policies.ticket.{code}")
    return code


def changed(field: str, old: Any, new: Any, calendars: Calendars) -> str:
    """A line of the history: `时限：120 → 90`."""
    name = plain(f"policies.field.{field}")
    if old is None and field != "calendar":
        return plain("policies.change.new", field=name, new=_shown(field, new, calendars))
    return plain(
        "policies.change.from_to",
        field=name,
        old=_shown(field, old, calendars),
        new=_shown(field, new, calendars),
    )


def _shown(field: str, found: Any, calendars: Calendars) -> str:
    if field == "ladder":
        return "; ".join(step(Step.parse(one)) for one in found or ()) or plain("policies.no_steps")
    if field in ("calendar", "remind_calendar"):
        return calendar(found, calendars)
    if field == "is_active":
        return plain("policies.on" if found else "policies.off")
    if field == "measure":
        return plain(f"policies.measure.{found}")
    return _figure(found) if isinstance(found, int | float) else str(found)


def _figure(count: float) -> str:
    return f"{count:g}" if count < 1_000_000 else f"{count:.0f}"
