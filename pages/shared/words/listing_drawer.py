"""The drawer of a listing: its texts with the findings beside them, evidence, pictures, steps, past."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import streamlit as st

from backend import compliance
from backend.compliance import commands, reads
from backend.compliance.models import ListingDetail, ListingRef, PartCheck, Revision
from backend.history import Event
from backend.words import Category, Hit, Kind
from pages.shared import frame, widgets
from pages.shared.format import md
from pages.shared.frame import User
from pages.shared.i18n import plain, t
from pages.shared.words import exemptions, hits, listing_edit, listing_state, listing_steps, wording

PARTS = ("title", "selling_points", "description")
_EVENTS = 60


def draw(user: User) -> None:
    """Opens the drawer of the listing that the address names, or of a new one."""
    new = listing_state.is_new()
    title = t("listings.new") if new else t("listings.drawer")
    opener = st.dialog(title, width="medium", position="right", on_dismiss=listing_state.close)
    opener(_new if new else _body)(user)


def _new(user: User) -> None:
    if not user.has("operations", "manager"):
        st.warning(t("common.no_access"), icon=":material/lock:")
        return
    listing_edit.draw(user, None)


def _body(user: User) -> None:
    listing_id = listing_state.opened()
    if listing_id is None:
        return
    with frame.boundary():
        found = reads.listing(frame.client(), listing_id)
        if found is None:
            st.warning(t("listings.not_found"), icon=":material/search_off:")
            return
        _head(found)
        listing_state.undo_bar("listings_drawer")
        if listing_state.editing():
            listing_edit.draw(user, found)
            return
        _live(found)
        texts(found.revision)
        _findings(user, found)
        _tools(user, found)
        _pictures(user, found)
        listing_steps.buttons(user, found)
        _past(found)


def _head(found: ListingDetail) -> None:
    row = found.listing
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        for step, shortcut in ((-1, "Alt+K"), (1, "Alt+J")):
            other = listing_state.neighbour(row.id, step)
            if st.button(
                t("listings.previous_one" if step < 0 else "listings.next_one"),
                key=f"listings_step_{'back' if step < 0 else 'on'}",
                disabled=other is None,
                shortcut=shortcut,
                type="tertiary",
            ):
                listing_state.open_listing(other or row.id)
                st.rerun()
    st.markdown(_flow(row.state))
    facts = (
        row.shop_name,
        plain(f"platform.{row.platform}"),
        row.sku,
        row.author,
        plain("listings.revision", n=row.revision),
    )
    st.caption(" · ".join(md(fact) for fact in facts if fact))


def _flow(state: str) -> str:
    """Markdown of the stations with the present one marked."""
    stations = ("draft", "text_review", "images", "final_review", "ready", "published")
    if state not in stations:
        return f":{'red' if state == 'suspended' else 'gray'}-badge[{md(wording.name_of('state', state))}]"
    here = stations.index(state)
    parts = []
    for place, name in enumerate(stations):
        words = md(wording.name_of("state", name))
        if place == here:
            parts.append(f":primary-badge[{words}]")
        else:
            parts.append(f":material/check: {words}" if place < here else f":gray[{words}]")
    return " :gray[›] ".join(parts)


def _live(found: ListingDetail) -> None:
    """What is in the shop while something else is being written."""
    row = found.listing
    if row.state == "suspended":
        st.error(t("listings.suspended"), icon=":material/block:")
    elif row.live_verdict == "block":
        st.error(t("listings.live_blocked"), icon=":material/report:")
    elif found.published is not None:
        st.info(t("listings.live_older", n=found.published.number), icon=":material/storefront:")


def texts(revision: Revision) -> None:
    """The texts of a revision with their hits in colour; what evidence allows is not coloured."""
    checks = {check.part: check for check in revision.checks}
    with st.container(border=True, gap="xsmall", key=f"listings_texts_{revision.id}"):
        for part in PARTS:
            text = getattr(revision, part)
            if not text:
                continue
            check = checks.get(part)
            verdict = _part_verdict(check)
            st.markdown(f":gray[{t(f'words.part.{part}')}] {verdict}")
            spans = (
                [(hit.start, hit.end, hit.severity) for hit in check.hits if not hit.is_exempt]
                if check
                else []
            )
            st.markdown(wording.marked(text, spans))
        licences = "; ".join(revision.licences)
        facts = [wording.name_of("product", revision.category), licences]
        st.caption(" · ".join(md(fact) for fact in facts if fact))


def _part_verdict(check: PartCheck | None) -> str:
    if check is None or not check.is_current:
        return wording.verdict_badge("unchecked")
    return wording.verdict_badge(check.verdict)


def _findings(user: User, found: ListingDetail) -> None:
    """Each hit once, with its grounds and the way to evidence."""
    seen: dict[str, tuple[str, str, bool]] = {}
    for check in found.revision.checks:
        for hit in check.hits:
            if hit.severity == "block" or hit.term not in seen:
                seen[hit.term] = (hit.severity, hit.category, hit.is_exempt)
    why = _explained(found) if seen else {}
    for term, (severity, category, exempt) in seen.items():
        _finding(user, found, term, severity, category, exempt, why.get(term))
    for key in {key for check in found.revision.checks for key in check.notices}:
        st.warning(wording.name_of("notice", key), icon=":material/warning:")


def _explained(found: ListingDetail) -> dict[str, Hit]:
    """Law, question and suggestion of each hit: the verdict is stored, its grounds are the dictionary's."""
    revision = found.revision
    given: tuple[tuple[str, Kind], ...] = (
        (revision.title, "title"),
        (revision.selling_points, "title"),
        (revision.description, "description"),
    )
    return {
        hit.term: hit
        for text, kind in given
        if text
        for hit in compliance.look(
            frame.service().rpc,
            text,
            kind=kind,
            platform=found.listing.platform,
            category=cast(Category, revision.category),
            licences=revision.licences,
        ).hits
    }


def _finding(
    user: User, found: ListingDetail, term: str, severity: str, category: str, exempt: bool, why: Hit | None
) -> None:
    key = f"listings_{found.listing.id}_term_{term}"
    with st.container(border=True, gap="xxsmall", key=key):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            mark = wording.severity_mark("clean" if exempt else severity)
            state = plain("listings.exempt") if exempt else wording.name_of("severity", severity)
            words = (wording.name_of("category", category), state)
            st.markdown(f"{mark} **{md(term)}** · {md(' · '.join(words))}", width="stretch")
            asks = user.has("operations", "manager") and exemptions.possible(category) and not exempt
            wants = asks and st.toggle(t("words.exempt.ask_short"), key=f"{key}_ask")
        if why:
            st.caption(md(why.legal_basis))
            hits.grounds(why)
        if wants:
            row = found.listing
            exemptions.form(
                user, term, shops=[row.shop_id], sku=row.sku if row.product_id else "", key=f"{key}_form"
            )


def _tools(user: User, found: ListingDetail) -> None:
    if not user.has("operations", "manager"):
        return
    row = found.listing
    with st.container(horizontal=True, gap="small"):
        st.button(
            t("listings.edit"),
            key=f"listings_edit_{row.id}",
            icon=":material/edit:",
            on_click=listing_state.edit,
            args=(True,),
        )
        if row.verdict == "unchecked" and st.button(
            t("listings.recheck"), key=f"listings_recheck_{row.id}", icon=":material/refresh:"
        ):
            commands.recheck_listing(frame.service(), row.revision_id)
            frame.flash_and_rerun(t("listings.rechecked"))
    if row.state in ("published", "suspended"):
        st.caption(t("listings.edit_live"))


def _pictures(user: User, found: ListingDetail) -> None:
    row = found.listing
    urls = row.images if isinstance(row.images, tuple) else ()
    writes = row.state == "images" and user.has("operations", "manager")
    if not urls and not writes:
        return
    with st.expander(t("listings.pictures", count=len(urls)), icon=":material/image:", expanded=writes):
        for url in urls:
            st.markdown(md(url))
        if writes:
            _picture_form(row.id, row.version, urls)


def _picture_form(listing_id: int, version: int, urls: tuple[str, ...]) -> None:
    with st.form(f"listings_pictures_{listing_id}_{version}", border=False):
        text = st.text_area(
            t("listings.picture_urls"),
            value="\n".join(urls),
            key=f"listings_urls_{listing_id}_{version}",
            help=t("listings.picture_help"),
            height=100,
        )
        sent = st.form_submit_button(
            t("listings.picture_send"), type="primary", key=f"listings_pictures_send_{listing_id}"
        )
    if sent:
        with frame.boundary():
            given = text.split()
            asked = frame.request_id("listings_pictures", listing_id, version, given)
            ref = ListingRef(listing_id, version)
            commands.set_images(frame.client(), ref, given, request_id=asked)
            listing_state.changed(None, "")
            frame.flash_and_rerun(t("listings.pictures_saved", count=len(given)))


def _past(found: ListingDetail) -> None:
    with st.expander(t("listings.timeline", count=len(found.timeline)), icon=":material/history:"):
        for event in found.timeline[:_EVENTS]:
            st.caption(md(_told(event)))
    if len(found.revisions) > 1:
        with st.expander(t("listings.revisions", count=len(found.revisions)), icon=":material/difference:"):
            _older(found)


def _told(event: Event) -> str:
    detail: Mapping[str, object] = event.detail
    to = str(detail.get("to") or "")
    parts = (
        frame.clock(event.at),
        event.who or plain("listings.system"),
        wording.name_of("event", event.action),
        wording.name_of("state", to) if to else "",
        str(detail.get("reason") or ""),
    )
    return " · ".join(part for part in parts if part)


def _older(found: ListingDetail) -> None:
    names = {
        one["id"]: f"{one['number']} · {one['author']} · {frame.clock(one['created_at'])}"
        for one in found.revisions
        if one["id"] != found.revision.id
    }
    chosen = st.selectbox(
        t("listings.compare_with"),
        list(names),
        format_func=names.get,
        key=f"listings_older_{found.listing.id}",
    )
    older = reads.revision(frame.client(), chosen) if chosen else None
    if older:
        texts(older)
        widgets.copy_button(older.title, key=f"listings_copy_old_{older.id}", label=t("listings.copy_title"))
