"""The forms of a channel: add, change, secret, and the hosts that an admin allows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import streamlit as st

from backend import channels, config
from backend.channels import AUDIENCES, KINDS, Audience, Channel, Draft, Kind
from pages.shared import frame
from pages.shared.frame import User
from pages.shared.i18n import LANGUAGES, plain, t

_SIGNED = ("dingtalk", "feishu", "webhook", "email")  # a WeCom robot's address is its secret
_LISTED = ("webhook", "email")  # kinds whose hosts an admin has to list


def add(hosts: Mapping[str, Sequence[str]], user: User) -> None:
    """A new channel: which kind, then its name and address."""
    rounds = st.session_state.setdefault("channels_round", 0)
    key = f"channels_add_{rounds}"
    kind: Kind = st.segmented_control(
        t("channels.kind"),
        KINDS,
        format_func=lambda name: t(f"channels.kind.{name}"),
        default="wecom",
        required=True,
        key=f"{key}_kind",
    )
    st.caption(t(f"channels.how.{kind}"))
    if kind in _LISTED and not hosts[kind]:
        st.warning(t("channels.no_hosts"), icon=":material/public_off:")
    with st.form(f"{key}_{kind}", width=560):
        draft = _inputs(kind, None, user, f"{key}_{kind}")
        sent = st.form_submit_button(t("channels.add_send"), type="primary", key=f"{key}_{kind}_send")
    if sent:
        with frame.boundary():
            mark = frame.request_id("channels_add", draft)
            stand_in = config.allows_stand_in(frame.settings())
            channels.add(frame.client(), frame.keyring(), draft, request_id=mark, stand_in=stand_in)
            st.session_state["channels_round"] = rounds + 1
            frame.flash_and_rerun(t("channels.added", name=draft.name))


def change(channel: Channel, user: User) -> None:
    """Name, shop, audience, address; for admins the secret."""
    version = frame.opened_version("channel", channel.id, channel.version)
    key = f"channels_change_{channel.id}_{version}"
    with st.form(key, border=False):
        draft = _inputs(channel.kind, channel, user, key)
        sent = st.form_submit_button(t("common.save"), type="primary", key=f"{key}_save")
    if sent:
        with frame.boundary(), frame.editing("channel", channel.id):
            mark = frame.request_id("channels_change", channel.id, version, draft)
            channels.change(
                frame.client(),
                frame.keyring(),
                channel.id,
                version,
                draft,
                request_id=mark,
                stand_in=config.allows_stand_in(frame.settings()),
            )
            frame.close_form("channel", channel.id)
            frame.flash_and_rerun(t("channels.changed", name=draft.name))
    if channel.kind in _SIGNED:
        _secret(channel, version, user)


def _inputs(kind: Kind, channel: Channel | None, user: User, key: str) -> Draft:
    kept = channel.options if channel else {}
    name = st.text_input(t("channels.name"), channel.name if channel else "", key=f"{key}_name", max_chars=40)
    endpoint = st.text_input(
        t("channels.endpoint"),
        type="password",
        key=f"{key}_endpoint",
        placeholder=plain("channels.endpoint_kept") if channel else plain(f"channels.example.{kind}"),
        help=t("channels.endpoint_help"),
        autocomplete="off",
    )
    mail = {"mail_from": "", "mail_to": ""}
    if kind == "email":
        for field, option in (("mail_from", "from"), ("mail_to", "to")):
            mail[field] = st.text_input(t(f"channels.{field}"), kept.get(option, ""), key=f"{key}_{field}")
    shop_id, audience, language = _choices(channel, user, key)
    is_active = st.toggle(t("channels.active"), channel.is_active if channel else True, key=f"{key}_active")
    return Draft(
        kind=kind, name=name, endpoint=endpoint.strip() or None, shop_id=shop_id, audience=audience,
        language=language, is_active=is_active, **mail,
    )  # fmt: skip


def _choices(channel: Channel | None, user: User, key: str) -> tuple[int | None, Audience, str]:
    shops: dict[int | None, str] = {None: plain("channels.all_shops")}
    shops |= {shop.id: shop.name for shop in user.shops}
    shop_id = st.selectbox(
        t("channels.shop"),
        list(shops),
        index=_at(list(shops), channel.shop_id if channel else None),
        format_func=lambda number: shops[number],
        key=f"{key}_shop",
    )
    audience = st.radio(
        t("channels.audience"),
        AUDIENCES,
        index=_at(AUDIENCES, channel.audience if channel else "group"),
        format_func=lambda one: t(f"channels.audience.{one}"),
        captions=[t(f"channels.audience.{one}.help") for one in AUDIENCES],
        key=f"{key}_audience",
    )
    language = st.selectbox(
        t("channels.language"),
        list(LANGUAGES),
        index=_at(list(LANGUAGES), channel.language if channel else "zh-CN"),
        format_func=lambda code: LANGUAGES[code],
        key=f"{key}_language",
    )
    return shop_id, audience, language


def _at(options: Sequence[Any], wanted: Any) -> int:
    return options.index(wanted) if wanted in options else 0


def _secret(channel: Channel, version: int, user: User) -> None:
    """The signing secret or password: admins set it, nobody reads it."""
    st.caption(t("channels.secret_there") if channel.has_secret else t("channels.secret_missing"))
    if not user.has("admin"):
        st.caption(f":material/lock: {t('channels.secret_admin')}")
        return
    key = f"channels_secret_{channel.id}_{version}"
    with st.form(key, border=False):
        text = st.text_input(t("channels.secret"), type="password", key=f"{key}_text", autocomplete="off")
        sent = st.form_submit_button(t("channels.secret_save"), key=f"{key}_save")
    if sent:
        with frame.boundary(), frame.editing("channel", channel.id):
            mark = frame.request_id("channels_secret", channel.id, version)
            channels.set_secret(
                frame.client(), frame.keyring(), channel.id, version, text or None, request_id=mark
            )
            frame.close_form("channel", channel.id)
            frame.flash_and_rerun(t("channels.secret_saved", name=channel.name))


def hosts(known: Mapping[str, Sequence[str]]) -> None:
    """The hosts that webhooks and mail may go to, one a line."""
    before = sorted({*known["webhook"], *known["email"]})
    st.caption(t("channels.hosts_help"))
    with st.form("channels_hosts_form", border=False, width=560):
        text = st.text_area(
            t("channels.hosts_label"), "\n".join(before), key=f"channels_hosts_{hash(tuple(before))}"
        )
        sent = st.form_submit_button(t("common.save"), key="channels_hosts_save")
    if sent:
        wanted = cast("list[str]", text.split())
        with frame.boundary():
            channels.set_hosts(frame.client(), wanted, request_id=frame.request_id("channels_hosts", wanted))
            frame.flash_and_rerun(t("channels.hosts_saved"))
