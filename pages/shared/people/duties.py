"""What a member is here for: role, shops, skills, approval limit. The inputs of every form about one."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from backend.members import ROLES, SKILLS, Member
from backend.shops import Shop
from pages.shared.i18n import plain, t


def inputs(
    key: str, all_shops: Sequence[Shop], member: Member | None = None
) -> tuple[str, list[str], list[str], float]:
    """Role, shop codes, skills and limit (¥) as they stand in the form `key`; those of `member` at first."""
    role = st.selectbox(
        t("member.role"),
        ROLES,
        index=ROLES.index(member.role) if member else 0,
        format_func=lambda name: plain(f"role.{name}"),
        key=f"{key}_role",
        help=t("member.role_help"),
    )
    codes = [shop.code for shop in all_shops if shop.is_active or (member and shop.code in member.shops)]
    names = {shop.code: shop.name for shop in all_shops}
    chosen = st.multiselect(
        t("member.shops"),
        codes,
        default=[code for code in member.shops if code in codes] if member else codes,
        format_func=lambda code: names[code],
        placeholder=plain("member.shops_placeholder"),
        key=f"{key}_shops",
    )
    skills = st.pills(
        t("member.skills"),
        SKILLS,
        selection_mode="multi",
        default=list(member.skills) if member else None,
        format_func=lambda name: t(f"skill.{name}"),
        key=f"{key}_skills",
    )
    limit = st.number_input(
        t("member.limit"),
        min_value=0.0,
        max_value=99_999_999.0,
        step=100.0,
        value=float(member.approval_limit) if member else 0.0,
        key=f"{key}_limit",
        help=t("member.limit_help"),
    )
    return role, chosen, list(skills), limit
