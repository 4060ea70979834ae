"""A photo loses its place and device before it leaves this process, and keeps what it shows."""

from __future__ import annotations

import io

import pytest
from PIL import ExifTags, Image

from backend.errors import AppError
from backend.tickets import attachments

RED = (200, 30, 30)


def photo(
    kind: str, *, size: tuple[int, int] = (640, 480), orientation: int = 1, place: bool = True
) -> bytes:
    """A picture as a phone makes it: with its position, its maker and a comment."""
    exif = Image.Exif()
    if place:
        exif[ExifTags.Base.Make] = "Phone"
        exif[ExifTags.Base.Orientation] = orientation
        exif.get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSLatitudeRef] = "N"
        exif.get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSLatitude] = (31.0, 14.0, 3.0)
    out = io.BytesIO()
    more = {"comment": b"Nanjing Road 1"} if kind == "JPEG" and place else {}
    Image.new("RGB", size, RED).save(out, kind, exif=exif, **more)
    return out.getvalue()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_position_maker_and_comment_go_orientation_stays(kind: str) -> None:
    taken = photo(kind, orientation=6)
    assert b"Phone" in taken
    file = attachments.prepare("IMG_1.jpg", taken)
    for told in (b"Phone", b"Nanjing", b"GPS"):
        assert told not in file.content
    with Image.open(io.BytesIO(file.content)) as image:
        assert not image.getexif().get_ifd(ExifTags.IFD.GPSInfo)
        assert image.getexif().get(ExifTags.Base.Orientation) == 6
        assert image.size == (640, 480)
        shown = image.convert("RGB").getpixel((10, 10))
    assert isinstance(shown, tuple)
    assert all(abs(a - b) < 8 for a, b in zip(shown, RED, strict=True))
    assert file.preview is not None
    with Image.open(io.BytesIO(file.preview)) as small:
        assert small.size == (240, 320)  # upright
    assert len(file.preview) <= 65_536


def test_a_picture_without_such_facts_keeps_its_very_bytes() -> None:
    taken = photo("PNG", place=False)
    assert attachments.prepare("a.png", taken).content == taken
    pdf = b"%PDF-1.7\n" + bytes(99)
    assert attachments.prepare("a.pdf", pdf) == attachments.Prepared("a.pdf", "application/pdf", pdf)


@pytest.mark.parametrize(
    ("content", "key"),
    [
        (b"MZ" + bytes(99), "attachment.type"),
        (b"<svg/>", "attachment.type"),
        (b"\x89PNG\r\n\x1a\n" + bytes(99), "attachment.broken"),
        (photo("JPEG")[:200], "attachment.broken"),
        (b"%PDF-" + bytes(attachments.MOST_BYTES), "attachment.too_large"),
    ],
)
def test_what_is_not_taken(content: bytes, key: str) -> None:
    with pytest.raises(AppError) as caught:
        attachments.prepare("x", content)
    assert caught.value.key == key


def test_a_small_file_that_claims_to_be_huge_is_not_decoded() -> None:
    out = io.BytesIO()
    Image.new("1", (15_000, 15_000)).save(out, "PNG")
    assert out.tell() < 200_000
    with pytest.raises(AppError) as caught:
        attachments.prepare("bomb.png", out.getvalue())
    assert caught.value.key == "attachment.broken"


def test_names_are_masked() -> None:
    assert attachments.prepare("13812345678.pdf", b"%PDF-").name == "138****5678.pdf"
