"""Photos and files of a ticket: what they are by their bytes, without the place where they were taken.

The database takes and hands out the bytes and decides who may; here a photo loses its position and its
maker's notes, and gets a small picture for lists.
"""

from __future__ import annotations

import base64
import io
import warnings
from dataclasses import dataclass
from typing import Final, Literal
from uuid import UUID

from PIL import ExifTags, Image, ImageOps
from supabase import Client

from backend import db, pii
from backend.errors import AppError

MOST_BYTES: Final = 5 * 1024 * 1024
"""Of one file (product decision; the database refuses more)."""
MOST_PIXELS: Final = 50_000_000
"""A phone's photo has 12 to 48 million; a picture that claims more is not decoded."""
TYPES: Final = ("image/jpeg", "image/png", "image/webp", "application/pdf")
ENDINGS: Final = ("jpg", "jpeg", "png", "webp", "pdf")
REASONS: Final = ("wrong_file", "personal_data", "customer_asked", "duplicate")
Reason = Literal["wrong_file", "personal_data", "customer_asked", "duplicate"]
_PREVIEW = (320, 320)
_PREVIEW_BYTES = 65_536
_FORMATS = {"image/jpeg": "JPEG", "image/png": "PNG", "image/webp": "WEBP"}
_MAGIC = (
    (b"%PDF-", "application/pdf"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
)


@dataclass(frozen=True, slots=True)
class Prepared:
    """A file that may be sent: `content` without position data, `preview` a small JPEG of a picture."""

    name: str
    media_type: str
    content: bytes
    preview: bytes | None = None

    def facts(self) -> dict[str, str]:
        """As add_attachment takes it."""
        found = {"name": self.name, "content": base64.b64encode(self.content).decode()}
        return found | ({"preview": base64.b64encode(self.preview).decode()} if self.preview else {})


def media_type(content: bytes) -> str | None:
    """What a file is by its first bytes, whatever its name says; None for what is not taken."""
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "image/webp"
    return next((name for magic, name in _MAGIC if content.startswith(magic)), None)


def prepare(name: str, content: bytes) -> Prepared:
    """A file as it may be stored. Raises AppError attachment.too_large, .type, .broken."""
    if len(content) > MOST_BYTES:
        raise AppError("attachment.too_large", params={"limit": MOST_BYTES // 1_048_576})
    kind = media_type(content)
    if kind is None:
        raise AppError("attachment.type")
    shown = (pii.mask_free_text(name) or "file")[-120:]
    if kind not in _FORMATS:
        return Prepared(shown, kind, content)
    clean, preview = _picture(content, kind)
    if len(clean) > MOST_BYTES:  # saved anew, a picture near the limit may grow beyond it
        raise AppError("attachment.too_large", params={"limit": MOST_BYTES // 1_048_576})
    return Prepared(shown, kind, clean, preview)


def _picture(content: bytes, kind: str) -> tuple[bytes, bytes]:
    """The picture without metadata but its orientation, and a small JPEG of it."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(content), formats=[_FORMATS[kind]]) as image:
                if image.width * image.height > MOST_PIXELS:
                    raise AppError("attachment.broken")
                image.load()
                return _without_metadata(image, content, kind), _small(image)
    except (
        OSError,
        ValueError,
        SyntaxError,
        Image.DecompressionBombError,
        Image.DecompressionBombWarning,
    ) as problem:
        raise AppError("attachment.broken") from problem


def _without_metadata(image: Image.Image, content: bytes, kind: str) -> bytes:
    """The same picture; one that tells nothing about place, time or device keeps its very bytes."""
    if not (
        image.getexif() or {"exif", "xmp", "photoshop", "comment", "XML:com.adobe.xmp"} & set(image.info)
    ):
        return content
    kept = Image.Exif()
    turned = image.getexif().get(ExifTags.Base.Orientation)
    if turned in range(2, 9):
        kept[ExifTags.Base.Orientation] = turned
    for name in ("comment", "xmp", "photoshop"):
        image.info.pop(name, None)
    out = io.BytesIO()
    if kind == "image/jpeg":
        image.save(out, "JPEG", quality="keep", exif=kept, icc_profile=image.info.get("icc_profile"))
    elif kind == "image/png":
        image.save(out, "PNG", exif=kept, icc_profile=image.info.get("icc_profile"))
    else:
        image.save(out, "WEBP", quality=90, exif=kept, xmp=b"", icc_profile=image.info.get("icc_profile"))
    return out.getvalue()


def _small(image: Image.Image) -> bytes:
    small = ImageOps.exif_transpose(image)
    small.thumbnail(_PREVIEW)
    if small.mode in ("RGBA", "LA", "PA") or "transparency" in small.info:
        flat = Image.new("RGB", small.size, "white")
        flat.paste(small.convert("RGBA"), mask=small.convert("RGBA").getchannel("A"))
        small = flat
    for quality in (80, 50, 20):
        out = io.BytesIO()
        small.convert("RGB").save(out, "JPEG", quality=quality)
        if out.tell() <= _PREVIEW_BYTES:
            break
    return out.getvalue()


def add(client: Client, ticket_id: int, file: Prepared, *, request_id: UUID) -> int:
    """Adds a file to a ticket; the same bytes again are the same attachment. Answers its id."""
    answer = db.command(
        client, "add_attachment", p_ticket_id=ticket_id, p=file.facts(), request_id=request_id
    )
    return int(answer["id"])


def read(client: Client, attachment_id: int, *, preview: bool = False) -> Prepared:
    """The bytes of an attachment, or its small picture. Opening somebody else's is audited."""
    found = db.rpc(client, "attachment", p_id=attachment_id, p_preview=preview)
    return Prepared(found["name"], found["media_type"], base64.b64decode(found["content"]))


def picture(client: Client, attachment_id: int, *, preview: bool = False) -> bytes:
    """The bytes of a picture, decoded once, so that what only begins like one is refused as
    attachment.unreadable instead of breaking the page: a second client may have sent anything.
    """
    found = read(client, attachment_id, preview=preview)
    kind = media_type(found.content)
    if kind not in _FORMATS:
        raise AppError("attachment.unreadable")
    try:
        _picture(found.content, kind)
    except AppError as problem:
        raise AppError("attachment.unreadable") from problem
    return found.content


def remove(client: Client, attachment_id: int, reason: Reason, *, request_id: UUID) -> None:
    """Deletes a file: who uploaded it for ten minutes, leads at any time; the history keeps its digest."""
    db.command(client, "remove_attachment", p_id=attachment_id, p_reason=reason, request_id=request_id)
