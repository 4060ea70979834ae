"""线索表单: landing pages that may send leads; the token of one is shown once."""

from __future__ import annotations

import streamlit as st

from backend.leads import commands, reads
from backend.leads.models import LeadForm
from pages.shared import frame
from pages.shared.format import md
from pages.shared.frame import User
from pages.shared.i18n import plain, t
from pages.shared.leads import state

_MADE = "leads_form_made"
_PATH = "/functions/v1/lead-intake"


def draw(user: User) -> None:
    """The forms, their figures, and adding one."""
    st.subheader(t("leads.forms.title"), anchor=False, help=t("leads.forms.help"))
    for form in reads.forms(frame.client()):
        _line(user, form)
    if made := st.session_state.get(_MADE):
        st.success(t("leads.forms.token"), icon=":material/key:")
        st.code(made, language=None)
        st.caption(t("leads.forms.where", path=_PATH))
    if user.has("manager"):
        _new(user)


def _line(user: User, form: LeadForm) -> None:
    shop = user.shop(form.shop_id)
    figures = plain("leads.forms.figures", accepted=form.accepted, trapped=form.trapped, limited=form.limited)
    facts = (
        form.name,
        shop.name if shop else "",
        plain("common.listed").join(form.needs),
        figures,
        frame.clock(form.last_at),
    )
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key=f"leads_form_{form.id}"):
        st.markdown(md(" · ".join(fact for fact in facts if fact)), width="stretch")
        word = "off" if form.is_active else "on"
        if user.has("manager") and st.button(t(f"leads.forms.{word}"), key=f"leads_form_switch_{form.id}"):
            asked = state.mark("form", form.id, form.version)
            change = {"is_active": not form.is_active}
            commands.save_form(frame.client(), form.id, form.version, change, request_id=asked)
            frame.flash_and_rerun(t("leads.saved"))


def _new(user: User) -> None:
    names = {shop.id: shop.name for shop in user.shops}
    with st.form("leads_form_new", border=True):
        with st.container(horizontal=True, gap="small"):
            name = st.text_input(t("leads.forms.name"), key="leads_form_name", max_chars=60)
            shop_id = st.selectbox(
                t("leads.filter.shop_id"),
                list(names),
                format_func=lambda one: names[one],
                key="leads_form_shop",
            )
        needs = st.multiselect(
            t("leads.field.needs"),
            [],
            accept_new_options=True,
            max_selections=10,
            select_all=False,
            key="leads_form_needs",
            placeholder=plain("leads.needs_hint"),
        )
        sent = st.form_submit_button(t("leads.forms.add"), key="leads_form_add")
    if sent:
        token, digest = commands.new_form_token()
        facts = {"shop_id": shop_id, "name": name.strip(), "needs": list(needs), "token_hash": digest}
        commands.save_form(frame.client(), None, None, facts, request_id=state.mark("form_new", digest))
        st.session_state[_MADE] = token
        frame.flash_and_rerun(t("leads.saved"))
