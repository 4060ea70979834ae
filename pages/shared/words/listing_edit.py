"""Writing a listing: three texts that are checked while somebody types, category, licences, product."""

from __future__ import annotations

from typing import cast

import streamlit as st

from backend import compliance
from backend.compliance import commands
from backend.compliance.models import Draft, ListingDetail
from backend.words import CATEGORIES, Category, Kind, Result, rewrite
from pages.shared import frame
from pages.shared.frame import User
from pages.shared.i18n import plain, t
from pages.shared.words import editor, hits, listing_state, setting, wording

_MOST = {"title": 200, "selling_points": 2_000, "description": 20_000}
_KINDS: dict[str, Kind] = {"title": "title", "selling_points": "title", "description": "description"}
_HEIGHTS = {"title": 48, "selling_points": 76, "description": 170}
_FORM = "listings"


def draw(user: User, found: ListingDetail | None) -> None:
    """The form of a listing, or of a new one."""
    number = found.listing.id if found else 0
    version = frame.opened_version(_FORM, number, found.listing.version) if found else 0
    key = f"listings_form_{number}_{version}"
    shop_id, sku = _place(user, found, key)
    category, licences = _kind_of_product(found, key)
    shop = user.shop(shop_id)
    results = {
        part: _part(found, key, part, category, licences, shop.platform if shop else None) for part in _MOST
    }
    _findings(key, results)
    texts = {part: editor.text(f"{key}_{part}") for part in _MOST}
    with st.container(horizontal=True, gap="small"):
        ready = bool(texts["title"].strip()) and shop_id is not None
        sent = st.button(
            t("listings.save"), type="primary", key=f"{key}_save", icon=":material/save:", disabled=not ready
        )
        if st.button(t("listings.give_up"), key=f"{key}_cancel", type="tertiary"):
            _leave(found, key)
            st.rerun()
    st.caption(t("listings.save_effect" if found and found.listing.state != "draft" else "listings.save_new"))
    if sent and shop_id is not None:
        draft = Draft(shop_id, **texts, category=category, licences=licences, sku=sku)
        _save(found, version, draft, key)


def _place(user: User, found: ListingDetail | None, key: str) -> tuple[int | None, str]:
    names = {shop.id: shop.name for shop in user.shops}
    with st.container(horizontal=True, gap="small"):
        if found:
            shop_id: int | None = found.listing.shop_id
        else:
            shop_id = st.selectbox(
                t("words.shop"), list(names), format_func=names.get, key=f"{key}_shop", width=200
            )
        sku = st.text_input(
            t("listings.sku"),
            value=found.listing.sku if found else "",
            key=f"{key}_sku",
            max_chars=64,
            help=t("listings.sku_help"),
            width=200,
        )
    return shop_id, sku.strip()


def _kind_of_product(found: ListingDetail | None, key: str) -> tuple[Category, tuple[str, ...]]:
    revision = found.revision if found else None
    with st.container(horizontal=True, gap="small"):
        category = st.selectbox(
            t("words.category"),
            CATEGORIES,
            index=CATEGORIES.index(cast(Category, revision.category)) if revision else 0,
            format_func=lambda code: wording.name_of("product", code),
            key=f"{key}_category",
            width=200,
        )
        licences = st.text_input(
            t("words.licences"),
            value="; ".join(revision.licences) if revision else "",
            key=f"{key}_licences",
            placeholder=plain("words.licences_example"),
            help=t("words.licences_help"),
            width=300,
        )
    return category, setting.split(licences)


def _part(
    found: ListingDetail | None,
    key: str,
    part: str,
    category: Category,
    licences: tuple[str, ...],
    platform: str | None,
) -> Result | None:
    """One text with its live check."""
    field = f"{key}_{part}"
    editor.start(field, getattr(found.revision, part) if found else "")
    text = editor.text(field)
    result = None
    if text.strip():
        result = compliance.look(
            frame.service().rpc,
            text,
            kind=_KINDS[part],
            platform=platform,
            category=category,
            licences=licences,
        )
    editor.draw(
        field,
        label=plain(f"words.part.{part}"),
        hits=wording.spans(result.hits) if result else [],
        count=plain("words.signs", count="{count}", most=f"{_MOST[part]:,}"),
        most=_MOST[part],
        height=_HEIGHTS[part],
    )
    return result


def _findings(key: str, results: dict[str, Result | None]) -> None:
    proposals = {
        part: proposal
        for part, result in results.items()
        if result
        and (proposal := rewrite(editor.text(f"{key}_{part}"), result.hits))
        not in (editor.text(f"{key}_{part}"), "")
    }
    if proposals:
        st.button(
            t("words.adopt_all"),
            key=f"{key}_adopt_all",
            icon=":material/done_all:",
            on_click=_adopt_all,
            args=(key, proposals),
        )
    for part, result in results.items():
        if result and (result.hits or result.notices):
            st.markdown(f"{t(f'words.part.{part}')} {hits.headline(result)}")
            hits.cards(result, field=f"{key}_{part}", key=f"{key}_{part}_hit")


def _adopt_all(key: str, proposals: dict[str, str]) -> None:
    for part, text in proposals.items():
        editor.put(f"{key}_{part}", text)


def _save(found: ListingDetail | None, version: int, draft: Draft, key: str) -> None:
    number = found.listing.id if found else None
    with frame.boundary(), frame.editing(_FORM, number or 0):
        asked = frame.request_id("listings_save", number, version, draft)
        saved, _, results = commands.save_listing(
            frame.client(),
            frame.service(),
            draft,
            listing_id=number,
            version=version if found else None,
            request_id=asked,
        )
        _leave(found, key)
        listing_state.changed(None, "")
        listing_state.open_listing(saved)
        count = sum(len(result.hits) for result in results.values())
        frame.flash_and_rerun(t("listings.saved_hits", count=count) if count else t("listings.saved_clean"))


def _leave(found: ListingDetail | None, key: str) -> None:
    """The form is closed: its fields forget what stood in them."""
    for part in _MOST:
        editor.forget(f"{key}_{part}")
    if found:
        frame.close_form(_FORM, found.listing.id)
        listing_state.edit(False)
    else:
        listing_state.close()
