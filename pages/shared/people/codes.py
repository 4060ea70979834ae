"""The fresh one-time codes: shown until put away, and never again."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from backend.members import Invited
from pages.shared import widgets
from pages.shared.i18n import plain, t
from pages.shared.people import slips

_CODES = "members_codes"


def keep(made: Sequence[Invited]) -> None:
    """These are shown from the next run on."""
    st.session_state[_CODES] = list(made)


def draw() -> None:
    """A table, slips to print and lines to copy; nothing without fresh codes."""
    made: list[Invited] = st.session_state.get(_CODES, [])
    if not made:
        return
    address = slips.address()
    with st.container(border=True, key="members_codes_box"):
        st.markdown(f"**{t('members.codes_title', count=len(made))}**")
        st.caption(t("members.codes_text"))
        rows = [
            {"name": one.name, "staff_no": one.staff_no, "code": one.code, "link": slips.link(address, one)}
            for one in made
        ]
        names = {name: plain(f"members.column.{name}") for name in ("name", "staff_no", "code", "link")}
        st.dataframe(
            pd.DataFrame(rows),
            hide_index=True,
            column_config=names,
            key="members_codes_table",
            height="content" if len(rows) <= 10 else 380,
        )
        with st.container(horizontal=True, vertical_alignment="center"):
            st.download_button(
                t("members.slips"),
                slips.page(made, address),
                file_name="shopdesk-codes.html",
                mime="text/html",
                icon=":material/print:",
                on_click="ignore",
                key="members_slips",
            )
            lines = "\n".join(slips.line(one, address) for one in made)
            widgets.copy_button(lines, key="members_copy_codes", label=plain("members.copy_codes"))
            group = plain("members.group_text", address=address)
            widgets.copy_button(group, key="members_copy_group", label=plain("members.copy_group"))
            if st.button(t("members.put_away"), key="members_put_away", type="tertiary"):
                del st.session_state[_CODES]
                st.rerun()
