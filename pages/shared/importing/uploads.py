"""The dropped files of the imports page: each with its preview, what is asked of it, and what came of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from backend import exports
from backend.imports import kinds, mapping, parse, runner
from backend.imports.limits import MAX_BYTES, MAX_ROWS
from backend.imports.reasons import reason
from backend.imports.records import Detected, FileRefused
from pages.shared import frame, theme, widgets
from pages.shared.format import md
from pages.shared.frame import User
from pages.shared.i18n import locale, plain, t
from pages.shared.importing import calls, kept, outcome, wizard
from pages.shared.importing.kept import State

_ROUND = "imports_round"
TODO = "imports_todo"
TEMPLATES: Mapping[str, Sequence[str]] = {
    "orders": (
        *("order_no", "placed_at", "paid_at", "status", "buyer_account", "receiver", "phone"),
        *("province", "city", "district", "address", "postcode", "sku", "name", "spec"),
        *("quantity", "unit_price", "amount", "ip", "device", "buyer_note"),
    ),
    "products": ("sku", "name", "spec", "available", "safety_stock"),
} | {kind: tuple(field.name for field in mapping.fields(kind)) for kind in kinds.KINDS[2:]}


# Dropping files --------------------------------------------------------------------------------------------


def dropped(busy: bool) -> list[UploadedFile]:
    """The drop zone; several files at once."""
    theme.uploader()
    key = f"imports_drop_{st.session_state.setdefault(_ROUND, 0)}"
    files = st.file_uploader(
        t("imports.drop"),
        type=["csv", "xlsx", "txt", "tsv"],
        accept_multiple_files=True,
        key=key,
        disabled=busy,
        help=t("imports.drop_help", megabytes=MAX_BYTES // 2**20, rows=f"{MAX_ROWS:,}"),
    )
    st.caption(t("imports.drop_caption"))
    return list(files or [])


def templates(user: User) -> None:
    """Empty files of our own formats, of the kinds that this person imports."""
    with st.popover(t("imports.templates"), icon=":material/download:", type="tertiary"):
        st.caption(t("imports.templates_text"))
        for kind in kinds.offered(user.role):
            names = TEMPLATES[kind]
            fields = {field.name: field for field in mapping.fields(kind)}
            columns = [(name, fields[name].zh) for name in names]
            label = t(f"imports.template.{kind}", count=len(columns))
            file = f"{plain(f'imports.template_file.{kind}')}.xlsx"
            st.download_button(
                label,
                exports.write_xlsx([], columns, plain(f"imports.kind.{kind}")),
                file,
                key=f"imports_template_{kind}",
                on_click="ignore",
                width="stretch",
            )


def read(files: Sequence[UploadedFile]) -> list[State]:
    """What is known about each dropped file; a new one gets its first look."""
    known: dict[str, State] = st.session_state.setdefault(kept.FILES, {})
    for gone in set(known) - {file.file_id for file in files}:
        del known[gone]
    for file in files:
        if file.file_id not in known:
            known[file.file_id] = _first_look(file)
    return [known[file.file_id] | {"file": file} for file in files]


def _first_look(file: UploadedFile) -> State:
    state: State = {"id": file.file_id, "name": file.name}
    try:
        found = parse.detect(file.getvalue(), file.name)
    except FileRefused as refused:
        return state | {"problem": (refused.key, dict(refused.params)), "kind": None, "platform": None}
    state |= {"found": found, "kind": found.kind, "mapping": None, "platform": found.platform}
    if found.platform is None:
        wizard.recall(state, found)
    return state


# One file --------------------------------------------------------------------------------------------------


def card(state: State, user: User, *, strict: bool, busy: bool) -> bool:
    """A dropped file: what it is, what importing it would do, or what came of it. True when it is ready."""
    with st.container(border=True, key=f"imports_card_{_short(state)}"):
        _title(state)
        if state.get("result"):
            outcome.result(
                state["result"], key=_short(state), name=state["name"], shop_id=state.get("shop_id")
            )
            return False
        if state.get("problem"):
            st.error(problem(state), icon=":material/error:")
            return False
        if state["kind"] and state["kind"] not in kinds.offered(user.role):
            kind = plain(f"imports.kind.{state['kind']}")
            st.warning(t("imports.not_yours", kind=kind), icon=":material/lock:")
            return False
        if state["platform"] is None and state["mapping"] is None:
            wizard.draw(state, user)
            return False
        _recalled(state, user, busy=busy)
        if not _has_place(state, user, busy=busy):
            return False
        return _ready(state, user, strict=strict, busy=busy)


def _short(state: State) -> str:
    return str(state["id"])[:12]


def _title(state: State) -> None:
    found: Detected | None = state.get("found")
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(f"**{md(state['name'])}**", width="content")
        if found is not None:
            st.markdown(widgets.chips(_labels(state, found)), width="content")


def _labels(state: State, found: Detected) -> list[str]:
    words = [plain(f"imports.kind.{state['kind']}") if state["kind"] else plain("imports.kind_unknown")]
    if state["platform"] and parse.shop_platform(state["platform"]) not in ("", "own"):
        words.append(plain(f"platform.{parse.shop_platform(state['platform'])}"))
    return [*words, found.encoding.upper()]


def _recalled(state: State, user: User, *, busy: bool) -> None:
    """Says that a remembered mapping reads this file, and lets the person change it."""
    if state["mapping"] is None:
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        shop = user.shop(state.get("shop_id"))
        words = "imports.mapping_used" if state.get("recalled") else "imports.mapping_made"
        text = t(words, shop=shop.name if shop else plain("imports.all_shops"), count=len(state["mapping"]))
        st.caption(f":material/swap_horiz: {text}", width="stretch")
        if st.button(t("imports.map_again"), key=f"imports_remap_{_short(state)}", disabled=busy):
            kept.save(state, mapping=None, recalled=False, preview_of=None)
            st.rerun()


def fitting(state: State, user: User) -> list[frame.Shop]:
    """The person's shops that this file can belong to."""
    if state["mapping"] is not None:
        return list(user.shops)
    wanted = parse.shop_platform(state["platform"])
    return [shop for shop in user.shops if not wanted or shop.platform == wanted]


def _has_place(state: State, user: User, *, busy: bool) -> bool:
    """Most files belong to a shop: the only one that fits, else the one chosen here."""
    if state["kind"] in kinds.OF_POOL:
        return True
    shops = fitting(state, user)
    if not shops:
        name = plain(f"platform.{parse.shop_platform(state['platform'] or 'own')}")
        st.warning(t("imports.no_fitting_shop", platform=name), icon=":material/storefront:")
        return False
    if len(shops) == 1:
        kept.save(state, shop_id=shops[0].id)
        st.caption(t("imports.goes_to", shop=shops[0].name))
        return True
    names = {shop.id: shop.name for shop in shops}
    ids = list(names)
    chosen = st.selectbox(
        t("imports.which_shop"),
        ids,
        index=ids.index(state["shop_id"]) if state.get("shop_id") in names else None,
        format_func=lambda number: names[number],
        placeholder=plain("imports.choose"),
        key=f"imports_shop_{_short(state)}",
        disabled=busy,
        width=320,
    )
    kept.save(state, shop_id=chosen)
    return chosen is not None


def _ready(state: State, user: User, *, strict: bool, busy: bool) -> bool:
    report = _preview(state, user)
    if report is None:
        return False
    outcome.preview(report, key=_short(state), name=state["name"])
    blocked = strict and bool(report["rejected"])
    if blocked:
        st.warning(t("imports.strict_refuses", count=len(report["rejected"])), icon=":material/block:")
    st.button(
        t("imports.import_one", name=state["name"]),
        type="primary",
        icon=":material/upload:",
        key=f"imports_go_{_short(state)}",
        disabled=busy or blocked,
        on_click=plan,
        args=([state["id"]],),
    )
    return not blocked


def _preview(state: State, user: User) -> runner.Report | None:
    """The dry run, once per file, shop and mapping."""
    mark = (state.get("shop_id"), repr(state["mapping"]), locale())
    if state.get("preview_of") != mark:
        with st.spinner(t("imports.reading", name=state["name"]), show_time=True), file_boundary(state):
            kept.save(state, preview=run(state, user, calls.importer(), dry_run=True), preview_of=mark)
    if state.get("problem"):
        st.error(problem(state), icon=":material/error:")
    return state["preview"] if state.get("preview_of") == mark else None


def plan(ids: Sequence[str]) -> None:
    """These files are imported in the next run, while every button is off."""
    st.session_state[TODO] = list(ids)


def clear() -> None:
    """An empty drop zone: a new key is a new uploader."""
    st.session_state[_ROUND] = st.session_state.get(_ROUND, 0) + 1
    st.session_state.pop(kept.FILES, None)


@contextmanager
def file_boundary(state: State) -> Iterator[None]:
    """A file that cannot be used keeps its reason; other refusals read as everywhere."""
    with frame.boundary():
        try:
            yield
        except FileRefused as refused:
            kept.save(state, problem=(refused.key, dict(refused.params)))


def problem(state: State) -> str:
    """Why the file cannot be used, in this run's language."""
    key, params = state["problem"]
    return md(reason(key, params, locale()))


def run(state: State, user: User, importer: runner.Importer, **options: Any) -> runner.Report:
    shop = None if state["kind"] in kinds.OF_POOL else user.shop(state.get("shop_id"))
    return runner.import_file(
        importer,
        state["file"].getvalue(),
        name=state["name"],
        kind=state["kind"],
        shop=calls.shop_of(shop),
        platform=shop.platform if shop and state["mapping"] is not None else "auto",
        mapping=state["mapping"],
        **options,
    )


def together(ready: Sequence[str], states: Sequence[State], *, busy: bool) -> None:
    """Below several files: import all that are ready, or put away the finished ones."""
    with st.container(horizontal=True):
        if len(ready) > 1:
            st.button(
                t("imports.import_all", count=len(ready)),
                type="primary",
                icon=":material/upload:",
                key="imports_go_all",
                disabled=busy,
                on_click=plan,
                args=(list(ready),),
            )
        if states and all(state.get("result") or state.get("problem") for state in states):
            st.button(t("imports.put_away"), key="imports_clear", icon=":material/done_all:", on_click=clear)
