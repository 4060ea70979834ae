"""运费险 of a case: who paid for it."""

from __future__ import annotations

from functools import partial

import streamlit as st

from backend.tickets.choices import INSURANCES
from pages.shared.i18n import plain, t
from pages.shared.tickets import words


def choose(paid_by: str | None, *, key: str) -> str | None:
    """Who paid; None where there is none, or nobody has asked."""
    return st.selectbox(
        t("tickets.freight_insurance"),
        INSURANCES,
        index=INSURANCES.index(paid_by) if paid_by in INSURANCES else None,
        placeholder=plain("tickets.freight_insurance_none"),
        format_func=partial(words.of, "insurances"),
        key=key,
    )
