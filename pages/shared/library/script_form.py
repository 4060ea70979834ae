"""Writing a script: the text is checked while somebody types, the variables stand beside it."""

from __future__ import annotations

from typing import Any, cast

import streamlit as st

from backend import compliance
from backend.library import commands, reads, variables
from backend.library.models import AREAS, Script, ScriptDetail, ScriptDraft, stages
from backend.words import CATEGORIES, Category, Kind, Result
from pages.shared import frame
from pages.shared.format import md
from pages.shared.frame import User
from pages.shared.i18n import plain, t
from pages.shared.library import state, wording
from pages.shared.words import editor, hits
from pages.shared.words import wording as words

_FORM = "scripts"
_MOST = 2000


def draw(user: User, found: ScriptDetail | None) -> None:
    """The form of a script, or of a new one."""
    row = found.script if found else None
    version = frame.opened_version(_FORM, row.id, row.version) if row else 0
    key = f"scripts_form_{row.id if row else 0}_{version}"
    title = st.text_input(t("library.title"), row.title if row else "", key=f"{key}_title", max_chars=60)
    facts = _purpose(user, row, key)
    result = _text(row, key, facts["area"], facts["category"], user, facts["shop_id"])
    body = editor.text(f"{key}_body")
    _variables(body)
    dates = _dates(row, key, user.zone)
    wrong = variables.unknown(body) or variables.has_lone_brace(body)
    ready = bool(title.strip() and body.strip()) and not wrong
    with st.container(horizontal=True, gap="small"):
        sent = st.button(
            t("library.save"), type="primary", key=f"{key}_save", icon=":material/save:", disabled=not ready
        )
        if st.button(t("library.give_up"), key=f"{key}_cancel", type="tertiary"):
            _leave(row, key)
            st.rerun()
    st.caption(t(_effect(row, facts["scope"])))
    if result and result.hits:
        hits.cards(result, field=f"{key}_body", key=f"{key}_hits")
    if sent:
        _save(row, version, ScriptDraft(title.strip(), body.strip(), **facts, **dates), key)


def _effect(row: Script | None, scope: str) -> str:
    if row is not None and row.has_live:
        return "library.save_live"
    return "library.save_personal" if scope == "personal" else "library.save_team"


def _purpose(user: User, row: Script | None, key: str) -> dict[str, Any]:
    """Area, stage, cause, objection, product, shop, scope."""
    with st.container(horizontal=True, gap="small"):
        scopes = ("team", "personal") if row is None or row.scope == "personal" else ("team",)
        scope = _choice("scope", scopes, row.scope if row else "team", f"{key}_scope", 150)
        area = _choice("area", AREAS, row.area if row else _usual(user), f"{key}_area", 150)
        allowed = stages(area)
        stage = st.selectbox(
            t("library.filter.stage"),
            allowed,
            index=allowed.index(row.stage) if row and row.stage in allowed else None,
            placeholder=plain("library.any_stage"),
            format_func=wording.stage,
            key=f"{key}_stage_{area}",
            width=180,
        )
    with st.container(horizontal=True, gap="small"):
        shop_id = _shop(user, row, key)
        cause = _cause(row, key) if area != "presales" else None
        objection = st.text_input(
            t("library.objection"),
            row.objection if row else "",
            key=f"{key}_objection",
            max_chars=30,
            width=160,
        )
        sku = st.text_input(
            t("library.sku"),
            row.sku if row else "",
            key=f"{key}_sku",
            max_chars=64,
            width=140,
            help=t("library.sku_help"),
        )
        category = st.selectbox(
            t("words.category"),
            CATEGORIES,
            index=CATEGORIES.index(cast(Category, row.category)) if row else 0,
            format_func=lambda code: words.name_of("product", code),
            key=f"{key}_category",
            width=150,
        )
    return {
        "scope": scope, "area": area, "stage": stage, "shop_id": shop_id, "root_cause_id": cause,
        "objection": objection.strip(), "sku": sku.strip(), "category": category,
    }  # fmt: skip


def _usual(user: User) -> str:
    return "aftersales" if "aftersales" in user.skills and "presales" not in user.skills else "presales"


def _choice(kind: str, codes: tuple[str, ...], usual: str, key: str, width: int) -> str:
    return st.selectbox(
        t(f"library.filter.{kind}"),
        codes,
        index=codes.index(usual),
        format_func=lambda code: wording.name_of(kind, code),
        key=key,
        width=width,
    )


def _shop(user: User, row: Script | None, key: str) -> int | None:
    names = {shop.id: shop.name for shop in user.shops}
    ids = list(names)
    return st.selectbox(
        t("library.filter.shop"),
        ids,
        index=ids.index(row.shop_id) if row and row.shop_id in ids else None,
        placeholder=plain("library.all_shops"),
        format_func=names.get,
        key=f"{key}_shop",
        width=170,
    )


def _cause(row: Script | None, key: str) -> int | None:
    causes = [one for one in reads.root_causes(frame.client()) if one.is_active]
    names = {one.id: one.path for one in causes}
    ids = list(names)
    return st.selectbox(
        t("library.cause"),
        ids,
        index=ids.index(row.root_cause_id) if row and row.root_cause_id in ids else None,
        placeholder=plain("library.any_cause"),
        format_func=names.get,
        key=f"{key}_cause",
        width=190,
    )


def _text(
    row: Script | None, key: str, area: str, category: Category, user: User, shop_id: int | None
) -> Result | None:
    """The text with its live check; words of a platform count when the script is for one shop."""
    field = f"{key}_body"
    editor.start(field, row.body if row else "")
    text = editor.text(field)
    shop = user.shop(shop_id)
    kind: Kind = "reply" if area == "aftersales" else "script"
    result = None
    if text.strip():
        platform = shop.platform if shop else None
        result = compliance.look(frame.service().rpc, text, kind=kind, platform=platform, category=category)
    editor.draw(
        field,
        label=plain("library.body"),
        hits=words.spans(result.hits) if result else [],
        placeholder=plain("library.body_example"),
        count=plain("words.signs", count="{count}", most=f"{_MOST:,}"),
        most=_MOST,
        height=150,
    )
    return result


def _variables(body: str) -> None:
    """What may stand in braces; what stands there and means nothing is said at once."""
    for name in variables.unknown(body):
        st.error(t("library.unknown_variable", name=name), icon=":material/error:")
    if variables.has_lone_brace(body):
        st.error(t("library.lone_brace"), icon=":material/error:")
    listed = " ".join(f"`{{{name}}}`" for name in variables.VARIABLES)
    st.caption(f"{t('library.variables')} {listed}")
    if body.strip() and variables.names_in(body):
        examples = {name: example for name, (_, example) in variables.VARIABLES.items()}
        st.caption(f"{t('library.looks_like')} {md(variables.fill(body, examples).text)}")


def _dates(row: Script | None, key: str, zone: str) -> dict[str, Any]:
    """The campaign window and the expiry, whole days of the person's zone."""
    has = bool(row and (row.campaign_from or row.campaign_until or row.expires_at))
    days = {}
    with (
        st.expander(t("library.dates"), icon=":material/event:", expanded=has),
        st.container(horizontal=True, gap="small"),
    ):
        for name in ("campaign_from", "campaign_until", "expires_at"):
            usual = wording.day_of(getattr(row, name), zone, last=name != "campaign_from") if row else None
            days[name] = st.date_input(t(f"library.{name}"), usual, key=f"{key}_{name}", width=150)
    return {
        "campaign_from": wording.start_of(days["campaign_from"], zone),
        "campaign_until": wording.end_of(days["campaign_until"], zone),
        "expires_at": wording.end_of(days["expires_at"], zone),
    }


def _save(row: Script | None, version: int, draft: ScriptDraft, key: str) -> None:
    with frame.boundary(), frame.editing(_FORM, row.id if row else 0):
        asked = frame.request_id("scripts_save", row and row.id, version, draft)
        saved, _, results = commands.save_script(
            frame.client(),
            frame.service(),
            draft,
            request_id=asked,
            script_id=row.id if row else None,
            version=version if row else None,
        )
        _leave(row, key)
        state.open_record(saved)
        found = max((len(result.hits) for result in results.values()), default=0)
        frame.flash_and_rerun(t("library.saved_hits", count=found) if found else t("library.saved"))


def _leave(row: Script | None, key: str) -> None:
    """The form is closed: its field forgets what stood in it."""
    editor.forget(f"{key}_body")
    if row:
        frame.close_form(_FORM, row.id)
        state.edit(False)
    else:
        state.close()
