"""Photos and files of a ticket: added, listed, and read when somebody asks for one."""

from __future__ import annotations

from functools import partial
from hashlib import sha256

import streamlit as st
from supabase import Client

from backend.tickets import attachments
from backend.tickets.models import Attachment, TicketScreen
from pages.shared import frame, theme
from pages.shared.format import md
from pages.shared.i18n import t
from pages.shared.tickets import one

_MEGABYTES = attachments.MOST_BYTES // (1024 * 1024)


def add(found: TicketScreen) -> None:
    """The place to drop a photo; nothing for who may add none."""
    if "add_attachment" not in found.can:
        return
    with st.expander(t("tickets.attach"), icon=":material/add_a_photo:", key="ticket_attach"):
        theme.uploader(megabytes=_MEGABYTES)
        files = st.file_uploader(
            t("tickets.attach"),
            type=attachments.ENDINGS,
            accept_multiple_files=True,
            key=f"ticket_files_{len(found.attachments)}",
            label_visibility="collapsed",
            max_upload_size=_MEGABYTES,
        )
        if files and st.button(t("tickets.attach_n", count=len(files)), key="ticket_attach_send"):
            with frame.boundary():
                for file in files:
                    ready = attachments.prepare(file.name, file.getvalue())
                    asked = one.mark(found, "attach", ready.name, sha256(ready.content).hexdigest())
                    attachments.add(frame.client(), found.ticket.id, ready, request_id=asked)
                frame.flash_and_rerun(t("tickets.attached", count=len(files)))


def line(file: Attachment, *, may_open: bool) -> None:
    """A file in the timeline; its content is read on request alone, by whoever may."""
    with st.container(border=True, gap="xxsmall", key=f"ticket_file_{file.id}"):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            facts = " · ".join(part for part in (frame.clock(file.at), file.who or "") if part)
            icon = ":material/image:" if _is_picture(file) else ":material/description:"
            st.markdown(f"{icon} {md(file.name)} :gray[{md(facts)}]", width="stretch")
            shown = may_open and _is_picture(file)
            wanted = shown and st.toggle(t("tickets.look"), key=f"ticket_look_{file.id}")
            if may_open and not shown:
                st.download_button(
                    t("tickets.download"),
                    partial(_content, frame.client(), file.id),
                    file_name=file.name,
                    mime=file.media_type,
                    key=f"ticket_download_{file.id}",
                    on_click="ignore",
                )
        if wanted:
            with frame.boundary():
                st.image(attachments.picture(frame.client(), file.id), width=420)


def _is_picture(file: Attachment) -> bool:
    return file.media_type.startswith("image/")


def _content(client: Client, attachment_id: int) -> bytes:
    return attachments.read(client, attachment_id).content
