"""「为什么是他」: why somebody, or nobody, has an item. One line puts it on the page of a ticket or lead:

why.button("ticket", ticket.id)
"""

from __future__ import annotations

import streamlit as st

from backend import assignment
from backend.assignment import Area, Decision
from pages.shared import frame
from pages.shared.format import md
from pages.shared.i18n import plain, t

_OTHERS = 12


def button(area: Area, entity_id: int) -> None:
    """A button that tells it; asks the database only when it is opened."""
    box = st.popover(
        t("assignment.why"),
        icon=":material/assignment_ind:",
        type="tertiary",
        key=f"assignment_why_{area}_{entity_id}",
        on_change="rerun",
    )
    if box.open:
        with box, frame.boundary():
            _tell(assignment.why(frame.client(), area, entity_id))


def _tell(found: tuple[Decision, ...]) -> None:
    if not found:
        st.caption(t("assignment.why_none"))
        return
    newest, *earlier = found
    st.markdown(f"**{md(sentence(newest))}**")
    source = "pool" if newest.id is None else newest.source
    st.caption(f"{frame.clock(newest.at)} · {t(f'assignment.source.{source}')}")
    for one in newest.considered[:_OTHERS]:
        st.markdown(f":gray[{md(line(one))}]")
    if len(newest.considered) > _OTHERS:
        st.caption(t("assignment.more", count=len(newest.considered) - _OTHERS))
    for past in earlier:
        st.caption(f"{frame.clock(past.at)} {md(sentence(past))}")


def sentence(one: Decision) -> str:
    """`4 人能接，轮到 客服E`, `没有人能接：2 人不当班，1 人已满`."""
    if one.rule == "nobody":
        parts = [
            plain("assignment.people", count=count, why=reason(why)) for why, count in one.reasons.items()
        ]
        return plain(
            "assignment.rule.nobody",
            why=plain("assignment.joiner").join(parts) or plain("assignment.no_agents"),
        )
    if one.rule == "chosen":
        return plain(f"assignment.chosen.{one.source}", who=one.name or "")
    return plain(f"assignment.rule.{one.rule}", who=one.name or "", count=one.eligible)


def reason(why: str) -> str:
    """What kept somebody from an item."""
    return plain(f"assignment.reason.{why}")


def line(one: assignment.Considered) -> str:
    """`客服E · 手上 3 件 · 可以接`."""
    words = plain("assignment.eligible") if one.is_eligible else reason(one.why or "")
    return plain("assignment.considered", who=one.name or "", load=one.load, why=words)
