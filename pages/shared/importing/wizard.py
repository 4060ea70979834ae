"""字段对应: a file with unknown headers is read by saying which column holds which field; remembered for the
next file of the same tool.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd
import streamlit as st

from backend.imports import kinds, mapping
from backend.imports.reasons import reason
from backend.imports.records import Detected, FileRefused
from pages.shared import frame
from pages.shared.format import md
from pages.shared.frame import User
from pages.shared.i18n import locale, plain, t
from pages.shared.importing import calls, kept
from pages.shared.importing.kept import State


def recall(state: State, found: Detected) -> None:
    """Takes over the newest remembered mapping for these headers, if there is one."""
    with frame.boundary():
        for row in calls.remembered(found.headers):
            state.update(kind=row["kind"], mapping=row["mapping"], shop_id=row["shop_id"], recalled=True)
            return


def draw(state: State, user: User) -> None:
    """The form: kind, shop, one header per field, sample rows beside it."""
    found: Detected = state["found"]
    key = f"imports_map_{str(state['id'])[:12]}"
    st.info(t("imports.map_text", count=len(found.headers)), icon=":material/swap_horiz:")
    with st.container(horizontal=True, vertical_alignment="bottom"):
        kind = _kind(state, found, user, key)
        shop_id = _shop(user, kind, key)
    _sample(found, key)
    suggested = mapping.suggest(found.headers, kind)
    with st.form(f"{key}_{kind}", border=False):
        chosen = _fields(found.headers, kind, suggested, key)
        tool = st.text_input(
            t("imports.map_tool"), key=f"{key}_tool", max_chars=40, help=t("imports.map_tool_help"), width=320
        )
        sent = st.form_submit_button(
            t("imports.map_save"), type="primary", icon=":material/check:", key=f"{key}_{kind}_send"
        )
    if sent:
        _keep(state, kind=kind, shop_id=shop_id, tool=tool.strip(), chosen=chosen)


def _kind(state: State, found: Detected, user: User, key: str) -> str:
    allowed = kinds.offered(user.role)
    likely = state["kind"] or calls.likely_kind(found)
    return st.selectbox(
        t("imports.map_kind"),
        allowed,
        index=allowed.index(likely) if likely in allowed else 0,
        format_func=lambda name: plain(f"imports.kind.{name}"),
        key=f"{key}_kind",
        width=200,
    )


def _shop(user: User, kind: str, key: str) -> int | None:
    """The shop whose files look like this; stock and parcels belong to all shops."""
    if kind in kinds.OF_POOL:
        return None
    names = {shop.id: shop.name for shop in user.shops}
    return st.selectbox(
        t("imports.which_shop"),
        list(names),
        index=0 if len(names) == 1 else None,
        format_func=lambda number: names[number],
        placeholder=plain("imports.choose"),
        key=f"{key}_shop",
        width=260,
    )


def _sample(found: Detected, key: str) -> None:
    width = len(found.headers)
    rows = [list(row[:width]) + [""] * (width - len(row)) for row in found.sample_rows[:3]]
    st.caption(t("imports.map_sample"))
    st.dataframe(
        pd.DataFrame(rows, columns=list(_distinct(found.headers))),
        hide_index=True,
        key=f"{key}_sample",
        alt=plain("imports.map_sample"),
    )


def _distinct(headers: Sequence[str]) -> list[str]:
    """Headers as column names of a table: a blank one gets its number."""
    return [header or f"({place})" for place, header in enumerate(headers, 1)]


def _fields(
    headers: Sequence[str], kind: str, suggested: Mapping[str, str], key: str
) -> dict[str, str | None]:
    fields = mapping.fields(kind)
    first = [field for field in fields if field.required or field.name in suggested]
    rest = [field for field in fields if field not in first]
    chosen = _boxes(first, headers, suggested, f"{key}_{kind}")
    if rest:
        with st.expander(t("imports.map_more", count=len(rest))):
            chosen |= _boxes(rest, headers, suggested, f"{key}_{kind}")
    return chosen


def _boxes(
    fields: Sequence[mapping.Field], headers: Sequence[str], suggested: Mapping[str, str], key: str
) -> dict[str, str | None]:
    options = [header for header in headers if header]
    chosen: dict[str, str | None] = {}
    with st.grid(min_column_width=220, gap="small"):
        for field in fields:
            mark = " :red[*]" if field.required else ""
            guess = suggested.get(field.name)
            chosen[field.name] = st.selectbox(
                md(field.label(locale())) + mark,
                options,
                index=options.index(guess) if guess in options else None,
                placeholder=plain("imports.map_none"),
                key=f"{key}_{field.name}",
            )
    return chosen


def _keep(
    state: State, *, kind: str, shop_id: int | None, tool: str, chosen: Mapping[str, str | None]
) -> None:
    """Checks the mapping, remembers it and goes on to the preview."""
    picked = {field: header for field, header in chosen.items() if header}
    if kind not in kinds.OF_POOL and shop_id is None:
        st.error(t("imports.map_needs_shop"), icon=":material/error:")
        return
    try:
        mapping.layout_of(picked, kind=kind)
    except FileRefused as refused:
        st.error(md(reason(refused.key, _in_words(refused, kind), locale())), icon=":material/error:")
        return
    with frame.boundary():
        calls.remember(shop_id=shop_id, kind=kind, headers=state["found"].headers, tool=tool, chosen=picked)
        kept.save(state, kind=kind, shop_id=shop_id, mapping=picked, recalled=False)
        frame.flash_and_rerun(t("imports.map_saved"))


def _in_words(refused: FileRefused, kind: str) -> Mapping[str, str | int]:
    """Missing fields under their names in this run's language (the parser knows the Chinese ones)."""
    if refused.key != "mapping_missing":
        return refused.params
    labels = {field.zh: field.label(locale()) for field in mapping.fields(kind)}
    missing = str(refused.params["columns"]).split("\u3001")
    return {"columns": ", ".join(labels[name] for name in missing)}
