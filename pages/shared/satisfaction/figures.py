"""The figures above the lists: scores, answers, platform ratings. Each with what it stands on."""

from __future__ import annotations

import streamlit as st

from backend.tickets import insight
from backend.tickets.insight import Satisfaction, Scores
from pages.shared import frame
from pages.shared.frame import User
from pages.shared.i18n import t
from pages.shared.satisfaction import filters

WIDTH = 165


def percent(share: float | None) -> str:
    """`97.8 %`; `—` for no value."""
    return "—" if share is None else f"{100 * share:.1f} %"


def mean(value: float | None) -> str:
    """`4.31`; `—` for no value."""
    return "—" if value is None else f"{value:.2f}"


def number(count: int) -> str:
    """How many cases a figure stands on; few ones are said to be few."""
    few = f" · {t('satisfaction.few')}" if 0 < count < insight.FEW else ""
    return t("satisfaction.n", count=count) + few


def tile(label: str, value: str, count: int, help_text: str) -> None:
    """A figure with what it stands on below it, without an arrow."""
    st.metric(
        label,
        value,
        delta=number(count) if count else t("satisfaction.no_data"),
        delta_color="off",
        delta_arrow="off",
        help=help_text,
        width=WIDTH,
    )


def load(user: User) -> Satisfaction:
    """The figures of the period."""
    since, until = filters.days(user)
    return insight.satisfaction(frame.client(), since, until, shop_id=filters.shop_id())


def draw(found: Satisfaction) -> None:
    """Means, shares and how many answered in the period."""
    order, ticket = found.of("order"), found.of("ticket")
    with st.container(horizontal=True, gap="small"):
        tile(t("satisfaction.order"), mean(order.mean), order.answered, t("satisfaction.mean_help"))
        tile(t("satisfaction.ticket"), mean(ticket.mean), ticket.answered, t("satisfaction.mean_help"))
        tile(
            t("satisfaction.content"),
            percent(ticket.satisfied),
            ticket.answered,
            t("satisfaction.content_help", target=percent(insight.SATISFIED_TARGET)),
        )
        tile(
            t("satisfaction.answer_rate"),
            percent(_rate(order, ticket)),
            order.asked + ticket.asked,
            t("satisfaction.answer_rate_help"),
        )
        tile(
            t("satisfaction.platform"),
            percent(found.ratings.satisfied),
            found.ratings.graded,
            t("satisfaction.platform_help", target=percent(insight.SATISFIED_TARGET)),
        )
    own = order.by_handler + ticket.by_handler
    if own:
        st.caption(t("satisfaction.own", count=own, all=order.answered + ticket.answered))


def _rate(order: Scores, ticket: Scores) -> float | None:
    asked = order.asked + ticket.asked
    return (order.answered + ticket.answered) / asked if asked else None
