"""Values for the variables of scripts: what the case at hand says, and what somebody types for this tab."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import streamlit as st

from backend.library import variables
from backend.library.models import Script
from pages.shared.frame import User
from pages.shared.i18n import t
from pages.shared.library import wording

_KEPT = "library_values"


def base(user: User, shop_id: int | None) -> dict[str, str]:
    """What is known without a case: who speaks, for which shop."""
    shop = user.shop(shop_id) or (user.shops[0] if len(user.shops) == 1 else None)
    return variables.speaking(user.name, shop.name if shop else "")


def typed() -> dict[str, str]:
    """What was typed in this tab; stored nowhere else."""
    found: dict[str, str] = st.session_state.setdefault(_KEPT, {})
    return found


def fields(rows: Iterable[Script], given: Mapping[str, str]) -> None:
    """A field for each variable that the shown scripts use."""
    names = list(dict.fromkeys(name for row in rows for name in variables.names_in(row.body)))
    if not names:
        return
    kept = typed()
    with st.popover(t("library.values"), icon=":material/data_object:", key="library_values_box"):
        st.caption(t("library.values_help"))
        for name in names:
            kept[name] = st.text_input(
                wording.variable(name),
                value=kept.get(name, ""),
                placeholder=given.get(name) or variables.VARIABLES[name][1],
                key=f"library_value_{name}",
                max_chars=60,
            )


def filled(body: str, given: Mapping[str, str]) -> variables.Filled:
    """A text with what was typed, else with what the case says."""
    return variables.fill(body, {**given, **{name: value for name, value in typed().items() if value}})
