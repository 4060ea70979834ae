"""All clocks and events of a period as files; made when somebody asks, and recorded."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from functools import partial
from typing import Literal
from zoneinfo import ZoneInfo

import streamlit as st

from backend import db, deadlines, exports
from pages.shared import frame
from pages.shared.frame import User
from pages.shared.i18n import locale, t

_ROLES = ("operations", "analyst", "manager", "admin")
_DAYS = 30
_TYPES: tuple[tuple[Literal["csv", "xlsx"], str], ...] = (
    ("xlsx", exports.XLSX),
    ("csv", "text/csv"),
)


def draw(user: User) -> None:
    """The period and a button per file; nothing for who may not export."""
    if not user.has(*_ROLES):
        return
    with st.popover("", icon=":material/download:", help=t("deadlines.export"), key="deadlines_export"):
        st.caption(t("deadlines.export_text", most=deadlines.MOST_ROWS))
        zone = ZoneInfo(user.zone)
        today = datetime.now(zone).date()
        period = st.date_input(
            t("deadlines.export_period"),
            (today - timedelta(days=_DAYS - 1), today),
            key="deadlines_export_period",
        )
        days = period if isinstance(period, tuple) else (period,)
        if len(days) != 2:
            st.caption(t("deadlines.export_choose"))
            return
        start = datetime.combine(days[0], time(), zone)
        end = datetime.combine(days[1] + timedelta(days=1), time(), zone)
        for what in ("clocks", "events"):
            _buttons(what, start, end)


def _buttons(what: Literal["clocks", "events"], start: datetime, end: datetime) -> None:
    shop_id = st.session_state.get("deadlines_shop")
    with st.container(horizontal=True, gap="small", vertical_alignment="center"):
        st.markdown(t(f"deadlines.export_{what}"), width="stretch")
        for kind, mime in _TYPES:
            st.download_button(
                kind.upper(),
                partial(_content, frame.client(), what, start, end, shop_id, kind, locale()),
                file_name=f"shopdesk-{what}.{kind}",
                mime=mime,
                key=f"deadlines_export_{what}_{kind}",
                on_click="ignore",
            )


def _content(
    client: db.Client,
    what: Literal["clocks", "events"],
    start: datetime,
    end: datetime,
    shop_id: int | None,
    kind: Literal["csv", "xlsx"],
    lang: str,
) -> bytes:
    return deadlines.file(client, what, start=start, end=end, shop_id=shop_id, fmt=kind, lang=lang).content
