"""The list of channels: what each is, its test, its change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

import streamlit as st

from backend import channels
from backend.channels import Channel, Delivery
from pages.shared import frame, home_links, widgets
from pages.shared.channels import deliveries, forms
from pages.shared.format import md
from pages.shared.frame import User
from pages.shared.i18n import t

_TESTED = "channels_tested"
_LOOK_SECONDS = 3


def cards(found: Sequence[Channel], hosts: Mapping[str, Sequence[str]], user: User) -> None:
    """A card per channel; what to do first where there is none."""
    if not found:
        widgets.empty_state(
            t("channels.none"), t("channels.none_hint"), icon=":material/campaign:", key="channels"
        )
    for channel in found:
        with st.container(border=True, key=f"channels_card_{channel.id}", gap="xxsmall"):
            _card(channel, hosts, user)
    home_links.link(t("channels.log"), "deliveries", icon=":material/receipt_long:")


def _card(channel: Channel, hosts: Mapping[str, Sequence[str]], user: User) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        with st.container(gap="xxsmall", width="stretch"):
            st.markdown(f"**{md(channel.name)}** {_badges(channel, hosts)}")
            st.caption(_facts(channel, user))
        if channel.is_active:
            _test(channel)
        with st.popover(t("channels.change"), icon=":material/edit:", key=f"channels_edit_{channel.id}"):
            forms.change(channel, user)
    if st.session_state.get(_TESTED, {}).get(channel.id):
        st.fragment(_result, run_every=_LOOK_SECONDS, key=f"channels_result_{channel.id}")(channel.id)


def _badges(channel: Channel, hosts: Mapping[str, Sequence[str]]) -> str:
    found = []
    if not channel.is_active:
        found.append(f":gray-badge[:material/toggle_off: {t('channels.off')}]")
    if channel.host not in hosts[channel.kind]:
        found.append(f":red-badge[:material/block: {t('channels.host_gone')}]")
    if channel.kind in ("dingtalk", "feishu", "webhook") and not channel.has_secret:
        found.append(f":orange-badge[:material/key_off: {t('channels.unsigned')}]")
    return " ".join(found)


def _facts(channel: Channel, user: User) -> str:
    shop = user.shop(channel.shop_id)
    facts = (
        t(f"channels.kind.{channel.kind}"),
        md(shop.name) if shop else t("channels.all_shops"),
        t(f"channels.audience.{channel.audience}"),
        md(channel.host),
    )
    return " · ".join(facts)


def _test(channel: Channel) -> None:
    if st.button(t("channels.test"), icon=":material/send:", key=f"channels_test_{channel.id}"):
        sent = channels.test(
            frame.client(),
            channel.id,
            request_id=frame.request_id("channels_test", channel.id, channel.version),
        )
        frame.done()
        st.session_state.setdefault(_TESTED, {})[channel.id] = sent


def _result(channel_id: int) -> None:
    """What became of the test message: looked up until it is known."""
    tested: UUID | None = st.session_state.get(_TESTED, {}).get(channel_id)
    with frame.boundary():
        recent = channels.log(frame.client(), channel_id=channel_id, limit=10)
        found = next((one for one in recent if one.id == tested), None)
        if found is not None:
            _say(found)


def _say(found: Delivery) -> None:
    if found.state == "sent":
        st.success(t("channels.test_sent"), icon=":material/check_circle:")
    elif found.state == "dead":
        st.error(deliveries.error_words(found), icon=":material/error:")
    elif found.last_error:
        st.warning(deliveries.error_words(found), icon=":material/sync_problem:")
    else:
        st.info(t("channels.test_waits"), icon=":material/hourglass_top:")
