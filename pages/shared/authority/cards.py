"""The lines of the authority table in words, who may approve how much, where prices are protected."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from backend.tickets import authority
from backend.tickets.authority import Limit, Person, Platform
from pages.shared import address, frame, widgets
from pages.shared import format as fmt
from pages.shared.authority import drawer
from pages.shared.format import md
from pages.shared.frame import User
from pages.shared.i18n import plain, t


def shop_choice(user: User) -> int | None:
    """The defaults, or the figures of one shop."""
    names = {0: plain("authority.default"), **{shop.id: shop.name for shop in user.shops}}
    asked = address.number("shop")
    if "authority_shop" not in st.session_state and asked in names:
        st.session_state["authority_shop"] = asked
    with widgets.filter_row("authority"):
        chosen = st.segmented_control(
            t("authority.whose"),
            list(names),
            format_func=lambda number: md(names[number]),
            key="authority_shop",
            default=0,
            required=True,
        )
    return int(chosen) or None


def limits(found: Sequence[Limit], shop_id: int | None, user: User) -> None:
    """One card per pot."""
    with st.grid(min_column_width=320, gap="small", key="authority_cards"):
        for limit in found:
            with st.container(border=True, gap="xsmall", height="stretch", key=f"authority_card_{limit.pot}"):
                _card(limit, shop_id, user)


def _card(limit: Limit, shop_id: int | None, user: User) -> None:
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        st.markdown(f"**{t(f'authority.pot.{limit.pot}')}**", width="content")
        st.markdown(f":green-badge[{md(words(limit))}]", width="content")
    st.caption(t(f"authority.about.{limit.pot}"))
    st.caption(" · ".join(_footer(limit, shop_id, user)))
    if user.has("manager") and st.button(
        t("authority.change"), icon=":material/tune:", key=f"authority_change_{limit.pot}"
    ):
        drawer.open_line(limit.pot)


def words(limit: Limit) -> str:
    """`≤ ¥500 · 客户 90 天累计`. Plain text."""
    if limit.agent_limit is None:
        return plain(f"authority.no_limit.{limit.pot}")
    parts = [f"≤ {fmt.money(limit.agent_limit).removesuffix('.00')}"]
    if limit.customer_days:
        parts.append(plain("authority.per_customer", days=limit.customer_days))
    return " · ".join(parts)


def _footer(limit: Limit, shop_id: int | None, user: User) -> list[str]:
    if shop_id is not None:
        whose = t("authority.own") if limit.own else t("authority.follows")
    else:
        names = [shop.name for shop in user.shops if shop.id in limit.other_shops]
        whose = t("authority.other_shops", shops=", ".join(names)) if names else t("authority.all_shops")
    return [whose, t("authority.changed", when=frame.clock(limit.updated_at))]


def approvers(found: Sequence[Person]) -> None:
    """Who may approve up to what; members change it."""
    with st.container(border=True, gap="xsmall", key="authority_people"):
        st.markdown(f"**{t('authority.people')}**", help=t("authority.people_help"))
        for one in found:
            st.markdown(md(f"{one.name} · ≤ {fmt.money(one.limit).removesuffix('.00')}"))
        if not found:
            st.caption(t("authority.nobody"))


def platforms(found: Sequence[Platform], user: User) -> None:
    """Where prices are protected."""
    with st.container(border=True, gap="xsmall", key="authority_platforms"):
        st.markdown(f"**{t('authority.platforms')}**", help=t("authority.platforms_help"))
        for one in sorted(found, key=lambda one: authority.PLATFORMS.index(one.platform)):
            with st.container(
                horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"
            ):
                state = plain("authority.days", days=one.days) if one.is_active else plain("authority.off")
                color = "green" if one.is_active else "gray"
                st.markdown(f"{t(f'platform.{one.platform}')} :{color}-badge[{md(state)}]", width="content")
                if user.has("manager") and st.button(
                    t("authority.change"), key=f"authority_platform_{one.platform}", type="tertiary"
                ):
                    drawer.open_platform(one.platform)
