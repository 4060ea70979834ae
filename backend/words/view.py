"""The view: a text of the same length in which rules can be read.

Where `fold.py` throws insertions and punctuation away, the view keeps one character per code point of the
original: letters lower-case and narrow, ideographs simplified, Chinese numerals as digits, punctuation in
its Chinese form, and `GAP` for what a reader does not see as text. Positions in the view are positions in
the original.
"""

from __future__ import annotations

import codecs
import functools
import re
from typing import Final

import numpy as np
import numpy.typing as npt

from backend.words.fold import BARRIER, CODE_POINTS, fold, fold_table

GAP: Final = "\0"
COMPOSED: Final = "□"
"""Stands for a character that stands for several."""
_PUNCTUATION: Final = {
    **dict(zip(",，﹐،", "，" * 4, strict=True)),
    **dict(zip("。｡", "。" * 2, strict=True)),
    **dict(zip("!！﹗", "！" * 3, strict=True)),
    **dict(zip("?？﹖؟", "？" * 4, strict=True)),
    **dict(zip(";；﹔", "；" * 3, strict=True)),
    **dict(zip(":：﹕", "：" * 3, strict=True)),
    **dict(zip("、﹑", "、" * 2, strict=True)),
    **dict(zip("《〈<＜", "《" * 4, strict=True)),
    **dict(zip("》〉>＞", "》" * 4, strict=True)),
    **dict(zip("“「『〝", "“" * 4, strict=True)),
    **dict(zip("”」』〞", "”" * 4, strict=True)),
    **dict(zip("(（[［【〔", "(" * 6, strict=True)),
    **dict(zip(")）]］】〕", ")" * 6, strict=True)),
    **dict(zip("．.-~/@#&*_®¥￥'\"", "..-~/@#&*_®¥¥'\"", strict=True)),
    **dict(zip("－–～℃™…⋯", "--~℃®……", strict=True)),
}


def _view_char(code: int, folded: str | None) -> str:
    char = chr(code)
    if char in _PUNCTUATION:
        return _PUNCTUATION[char]
    if folded is None:
        return COMPOSED
    return "\n" if folded == BARRIER else folded or GAP


def written_as(chars: str) -> str:
    """Return every sign that the view shows as one of some punctuation marks."""
    return "".join(char for char, seen in _PUNCTUATION.items() if seen in chars)


@functools.cache
def view_table() -> npt.NDArray[np.uint32]:
    """Code point -> code point of its view; to be read with mode="clip"."""
    table = np.arange(CODE_POINTS, dtype=np.uint32)
    table[0xD800:0xE000] = 0
    table[0xE000:0xF900] = 0
    for code, folded in fold_table().items():
        table[code] = ord(_view_char(code, folded))
    for char, seen in _PUNCTUATION.items():
        table[ord(char)] = ord(seen)
    return table


def text_of(codes: npt.NDArray[np.uint32]) -> str:
    """Return an array of code points as a text."""
    return codecs.utf_32_le_decode(codes.tobytes())[0]


def code_points(text: str) -> npt.NDArray[np.uint32]:
    """Return a text's code points; a lone surrogate counts as one."""
    return np.frombuffer(codecs.utf_32_le_encode(text, "surrogatepass")[0], np.uint32)


def fold_view(text: str) -> str:
    """Return the view of a short text, without the characters nobody sees; it needs no table."""
    points = [min(ord(char), CODE_POINTS - 1) for char in text]
    return "".join([_view_char(point, fold(chr(point))) for point in points]).replace(GAP, "")


_NUMERALS: Final = str.maketrans("〇零一二三四五六七八九", "00123456789")


def view_regex(source: str) -> re.Pattern[str]:
    """Compile a regular expression that reads views: Chinese numerals in it become digits, as in the view."""
    return re.compile(source.translate(_NUMERALS))
