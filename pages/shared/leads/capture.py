"""登记线索: one lead from a short form, many from a pasted table, or the customer of an order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import NoReturn

import streamlit as st

from backend.leads import commands, reads
from backend.leads.choices import BUDGETS, COMMON_NEEDS, LEVELS, MEMBERSHIPS, SOURCES
from backend.leads.models import CaptureResult, Draft, Refused
from backend.leads.pasting import parsed
from pages.shared import format as fmt
from pages.shared import frame, home_links, widgets
from pages.shared.format import md
from pages.shared.frame import User
from pages.shared.i18n import plain, t
from pages.shared.leads import state, words

_OPEN = "leads_capturing"
_DONE = "leads_captured"
_BACK = "leads_paste_back"
"""The result of the last paste whose refused lines stay in the box: (the lines, result)."""
_ROLES = ("agent", "operations", "manager")


def button(user: User) -> None:
    """Opens the form; Alt+L."""
    if user.has(*_ROLES) and st.button(
        t("leads.capture"),
        key="leads_capture",
        icon=":material/person_add:",
        type="primary",
        shortcut="Alt+L",
    ):
        st.session_state[_OPEN] = True
        st.session_state.pop(_DONE, None)
        st.rerun()  # the board is a fragment, the form belongs to the page


def elsewhere() -> None:
    """For who captures and does not follow up: where the leads go, and where to see what became of them."""
    box = widgets.empty_state(
        t("leads.elsewhere"), t("leads.elsewhere_hint"), icon=":material/groups:", key="leads_elsewhere"
    )
    with box:
        home_links.link(t("nav.lead_insight"), "lead_insight", icon=":material/filter_alt:")
        home_links.link(t("nav.imports"), "imports", icon=":material/upload_file:")


def dialog(user: User) -> None:
    """The form, when it is open."""
    if st.session_state.get(_OPEN):
        title = plain("leads.capture")
        st.dialog(title, width="medium", on_dismiss=_end, icon=":material/person_add:")(_body)(user)


def _body(user: User) -> None:
    with frame.boundary():
        done: CaptureResult | None = st.session_state.get(_DONE)
        if done is not None:
            _result(done)
            return
        shop_id = _shop(user)
        one, many, order = st.tabs(
            [t("leads.capture_one"), t("leads.capture_many"), t("leads.capture_order")]
        )
        with one:
            _form(user, shop_id)
        with many:
            _paste(user, shop_id)
        with order:
            _order(user)


def _shop(user: User) -> int:
    names = {shop.id: shop.name for shop in user.shops}
    if len(names) == 1:
        return next(iter(names))
    return int(
        st.selectbox(
            t("leads.filter.shop_id"), list(names), format_func=lambda one: names[one], key="leads_new_shop"
        )
    )


def _form(user: User, shop_id: int) -> None:
    with st.form("leads_new", border=False):
        with st.container(horizontal=True, gap="small"):
            name = st.text_input(t("leads.field.name"), key="leads_new_name", max_chars=60)
            phone = st.text_input(t("leads.field.phone"), key="leads_new_phone", max_chars=30)
        with st.container(horizontal=True, gap="small"):
            buyer = st.text_input(t("leads.field.buyer_account"), key="leads_new_buyer", max_chars=60)
            wechat = st.text_input(t("leads.field.wechat"), key="leads_new_wechat", max_chars=60)
            email = st.text_input(t("leads.field.email"), key="leads_new_email", max_chars=100)
        needs = _needs("leads_new_needs")
        with st.container(horizontal=True, gap="small"):
            source = _choice("source", SOURCES, "sources", "chat")
            intent = _choice("intent", LEVELS, "intents", "unknown")
            budget = _choice("budget", BUDGETS, "budgets", "unknown")
            membership = st.selectbox(
                t("leads.field.membership"),
                MEMBERSHIPS,
                index=None,
                placeholder=plain("leads.none_of_these"),
                format_func=partial(words.of, "memberships"),
                key="leads_new_membership",
            )
        note = st.text_area(t("leads.field.note"), key="leads_new_note", max_chars=500, height=70)
        keep = _keep(user, "one")
        st.caption(t("leads.required"))
        sent = st.form_submit_button(t("leads.capture_send"), key="leads_new_send", type="primary")
    if sent:
        draft = Draft(
            name=name,
            phone=phone,
            wechat=wechat,
            email=email,
            buyer_account=buyer,
            note=note,
            needs=tuple(needs),
            source=source,
            intent=intent,
            budget=budget,
            membership=membership,
        )
        made = _send(shop_id, [draft], "manual", keep)
        if not made.refused:
            _finish(made)
        _refusals(made)  # the form stays as it was typed


def _choice(name: str, options: Sequence[str], table: str, usual: str) -> str:
    chosen = st.selectbox(
        t(f"leads.field.{name}"),
        options,
        index=options.index(usual),
        format_func=partial(words.of, table),
        key=f"leads_new_{name}",
    )
    return str(chosen)


def _keep(user: User, where: str) -> bool:
    if user.has("manager") or "presales" in user.skills:
        return bool(st.checkbox(t("leads.keep"), value=user.has("agent"), key=f"leads_new_keep_{where}"))
    return False


def _paste(user: User, shop_id: int) -> None:
    st.caption(t("leads.paste_hint"))
    back: tuple[str, CaptureResult] | None = st.session_state.get(_BACK)
    if back is not None and "leads_new_paste" not in st.session_state:
        st.session_state["leads_new_paste"] = back[0]
    text = st.text_area(
        t("leads.paste"), key="leads_new_paste", height=140, placeholder=plain("leads.paste_example")
    )
    if back is not None and text == back[0]:
        if back[1].leads:
            st.success(t("leads.captured", count=len(back[1].leads)), icon=":material/check:")
        _refusals(back[1], many=True)
    source = _choice("paste_source", SOURCES, "sources", "live")
    keep = _keep(user, "many")
    read = [(line, draft) for line in text.splitlines() if (draft := parsed(line, source)) is not None]
    st.caption(t("leads.paste_found", count=len(read)))
    drafts = _with_needs([draft for _, draft in read])
    if st.button(t("leads.capture_send"), key="leads_paste_send", type="primary", disabled=not drafts):
        made = _send(shop_id, drafts, "paste", keep)
        if not made.refused:
            _finish(made)
        _put_back([line for line, _ in read], made)


def _with_needs(drafts: Sequence[Draft]) -> list[Draft]:
    """Lines without a tag get the one that is asked for once, for all of them."""
    bare = sum(not draft.needs for draft in drafts)
    needs: Sequence[str] = ()
    if bare:
        needs = st.multiselect(
            t("leads.paste_needs", count=bare),
            COMMON_NEEDS,
            key="leads_new_paste_needs",
            accept_new_options=True,
            max_selections=10,
            select_all=False,
            placeholder=plain("leads.needs_hint"),
        )
    return [draft if draft.needs else replace(draft, needs=tuple(needs)) for draft in drafts]


def _put_back(lines: Sequence[str], made: CaptureResult) -> None:
    """Only what was refused stays in the box, its reasons under the numbers that these lines have there."""
    left = "\n".join(lines[bad.row - 1] for bad in made.refused)
    again = tuple(Refused(row=n, refusal=bad.refusal) for n, bad in enumerate(made.refused, start=1))
    st.session_state[_BACK] = (left, made.model_copy(update={"refused": again}))
    st.session_state.pop("leads_new_paste")
    st.rerun()


def _needs(key: str) -> list[str]:
    return st.multiselect(
        t("leads.field.needs"),
        COMMON_NEEDS,
        key=key,
        accept_new_options=True,
        max_selections=10,
        select_all=False,
        placeholder=plain("leads.needs_hint"),
    )


def _order(user: User) -> None:
    """Who asked or bought under an order number: account and contact are taken over, on the record."""
    st.caption(t("leads.order_hint"))
    number = st.text_input(t("leads.field.order_no"), key="leads_new_order", max_chars=60).strip()
    found = reads.order(frame.client(), number) if number else None
    if found is None:
        if number:
            st.info(t("leads.order_unknown"), icon=":material/search_off:")
        return
    facts = (found.buyer_account, found.receiver_masked, found.phone_masked, fmt.money(found.amount))
    st.markdown(md(" · ".join(fact for fact in facts if fact)))
    needs = _needs("leads_new_order_needs")
    keep = _keep(user, "order")
    if st.button(t("leads.capture_send"), key="leads_order_send", type="primary", disabled=not needs):
        asked = state.mark("capture_order", found.id, needs, keep)
        made = commands.capture_order(
            frame.client(), frame.keyring(), found, needs, keep=keep, request_id=asked
        )
        frame.done()
        _finish(made)


def _send(shop_id: int, drafts: Sequence[Draft], via: str, keep: bool) -> CaptureResult:
    asked = state.mark("capture", shop_id, drafts, via, keep)
    made = commands.capture(
        frame.client(), frame.keyring(), shop_id, drafts, request_id=asked, via=via, keep=keep
    )
    frame.done()
    return made


def _finish(made: CaptureResult) -> NoReturn:
    st.session_state[_DONE] = made
    st.session_state.pop(_BACK, None)
    st.rerun()


def _refusals(made: CaptureResult, *, many: bool = False) -> None:
    """Why rows are no leads; a row has a number where there are several."""
    for bad in made.refused[:20]:
        why = words.refusal(bad.refusal)
        said = t("leads.row_refused", row=bad.row, why=why) if many else md(why)
        st.error(said, icon=":material/error:")
    if len(made.refused) > 20:
        st.caption(t("leads.rows_refused_more", count=len(made.refused) - 20))


def _result(made: CaptureResult) -> None:
    if made.leads:
        st.success(t("leads.captured", count=len(made.leads)), icon=":material/check:")
    for lead in made.leads[:8]:
        who = lead.owner_name or plain("leads.in_pool")
        facts = (lead.number, lead.grade, who, frame.clock(lead.due_at))
        st.markdown(md(" · ".join(fact for fact in facts if fact)))
        if lead.same_as:
            st.warning(t("leads.same_as", numbers=", ".join(lead.same_as)), icon=":material/content_copy:")
    _refusals(made)
    with st.container(horizontal=True, gap="small"):
        if len(made.leads) == 1 and st.button(t("leads.open"), key="leads_captured_open", type="primary"):
            _end()
            state.open_lead(made.leads[0].id)
        if st.button(t("leads.capture_next"), key="leads_captured_next"):
            st.session_state.pop(_DONE)
            for name in [str(key) for key in st.session_state if str(key).startswith("leads_new_")]:
                st.session_state.pop(name)
            st.rerun()


def _end() -> None:
    for name in (_OPEN, _DONE, _BACK):
        st.session_state.pop(name, None)
