"""Folding: what a character stands for once its disguise is removed.

`fold(char)` is one canonical character, `SKIP` (an insertion that a reader does not see as text),
`BARRIER` (sentence punctuation, which no term crosses) or None for the few characters that stand for
several ("№", "⑩", "㈱"). Those are unfolded by `expand`. Every table is made once, from Unicode's own data
plus `data/traditional.txt`.
"""

from __future__ import annotations

import functools
import unicodedata
from pathlib import Path
from typing import Final

DATA: Final = Path(__file__).parent / "data"
SKIP: Final = ""
BARRIER: Final = "\n"
CODE_POINTS: Final = 0xE0201
"""Length of tables by code point: what lies beyond is for private use, and all of it counts as the last."""

_BARRIERS: Final = frozenset("\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029,!?;:。，、！？；：﹐﹑﹔﹕﹖﹗…⋯；؟،")
# Kept although they are symbols: they carry meaning in a term ("100%", "+v", "第—").
_KEPT: Final = {
    "%": "%",
    "％": "%",
    "﹪": "%",
    "+": "+",
    "＋": "+",
    "➕": "+",
    "﹢": "+",
    "✚": "+",
} | dict.fromkeys("—―─━ー㇐", "—")
_DIGITS: Final = {
    **dict(zip("〇一二三四五六七八九", "0123456789", strict=True)),
    **dict(zip("零壹贰叁肆伍陆柒捌玖", "0123456789", strict=True)),
    **dict(zip("弌弍弎㈠㈡㈢㈣㈤㈥㈦㈧㈨", "123123456789", strict=True)),
    **dict(zip("㊀㊁㊂㊃㊄㊅㊆㊇㊈", "123456789", strict=True)),
    **dict(zip("ⅠⅡⅢⅣⅤⅥⅦⅧⅨⅰⅱⅲⅳⅴⅵⅶⅷⅸ", "123456789" * 2, strict=True)),
    **dict(zip("壱弐貳貮㆒㆓㆔", "1222123", strict=True)),
}
# Characters that modern sales text uses only in place of the one they look or sound like.
_LOOKALIKES: Final = dict(
    zip(
        "亽卟蕞晸冣朂苐惟葯髙囯囶袪佰仟拾単焱亼価塡徳姸产対気総転薬価髪児悪拡斎滝効剤麺発帯",
        "人不最最最最第唯药高国国祛百千十单炎集价填德妍产对气总转药价发儿恶扩斋泷效剂面发带",
        strict=True,
    )
)
# Strokes, which are no words: they only keep characters apart.
_STROKES: Final = frozenset("丶丨丿亅乀乁ꓸꓹꓽꞏᐧㅤᅟᅠﾠㆍヽヾゝ")
# Pictures that sales text writes words with.
_PICTURES: Final = {"💯": "100%", "🛰": "卫星", "🐧": "企鹅", "🧧": "红包", "💰": "现金"}
HEARTS: Final = frozenset("❤♥")
"""Mean 心 only in an account's name ("薇❤"), elsewhere they decorate."""
CIRCLED: Final = frozenset("①②③④⑤⑥⑦⑧⑨❶❷❸❹❺❻❼❽❾")
"""Mean a number, but nothing where they part single ideographs ("软①化②血③管")."""
_LETTERS: Final = dict(
    zip("аеорсхуікмтвнαβενοκτχυρѕјԁɡⅴⅹⅰⅼⅽⅾⅿℓðđÐĐ", "aeopcxyikmtbhabevoktxypsjdgvxilcdmldddd", strict=True)
)


def _read_pairs(name: str) -> dict[str, str]:
    lines = (DATA / name).read_text("utf-8").splitlines()
    return {line[0]: line[1] for line in lines if not line.startswith("#")}


def _fold_ascii(char: str) -> str:
    if char.isalnum():
        return char.lower()
    return BARRIER if char in _BARRIERS else _KEPT.get(char, SKIP)


def _fold_symbol(char: str) -> str | None:
    """Fold a character that is neither ASCII nor a unified ideograph."""
    if (digit := unicodedata.digit(char, None)) is not None:
        return str(digit)
    plain = "".join(c for c in unicodedata.normalize("NFKD", char) if not unicodedata.combining(c)).lower()
    if len(plain) == 1 and plain != char:
        return _fold_one(plain)
    if plain and plain != char.lower() and all(c.isalnum() or c in "()." for c in plain):
        return None  # stands for several
    category = unicodedata.category(char)
    if category[0] in "ZPSM" or category in ("Cc", "Cf", "Co", "Cs"):
        return _squared_letter(char)
    return char.lower() if len(char.lower()) == 1 else char


def _squared_letter(char: str) -> str | None:
    """Emoji-like letters ("🅰", "🅥", "🇻") that Unicode does not decompose."""
    for first in (0x1F150, 0x1F170, 0x1F1E6):
        if first <= ord(char) < first + 26:
            return chr(ord("a") + ord(char) - first)
    return SKIP


@functools.cache
def _simplified() -> dict[str, str]:
    return _read_pairs("traditional.txt")


def _fold_one(char: str) -> str | None:
    if char in _PICTURES or char in HEARTS or char in CIRCLED:
        return None  # stands for several, or for none
    if char in _STROKES:
        return SKIP
    for table in (_DIGITS, _KEPT, _LETTERS):
        if char in table:
            return table[char]
    if char in _BARRIERS:
        return BARRIER
    if char < "\x80":
        return _fold_ascii(char)
    char = _simplified().get(char, char)
    char = _LOOKALIKES.get(char, char)
    if char in _DIGITS:
        return _DIGITS[char]
    if "\u4e00" <= char <= "\u9fff":
        return char
    return _fold_symbol(char)


def _folded_ranges() -> list[range]:
    """Code points whose fold may differ from themselves; all others fold to themselves."""
    return [range(0x4E00), range(0xA000, 0xAC00), range(0xD7A4, 0x10000), range(0x1D400, 0x1F800),
            range(0x1F800, 0x20000), range(0x2F800, 0x2FA20), range(0xE0000, 0xE0200)]  # fmt: skip


@functools.cache
def fold_table() -> dict[int, str | None]:
    """Code point -> fold, for every code point that does not fold to itself."""
    table: dict[int, str | None] = {}
    for span in _folded_ranges():
        for code in span:
            folded = _fold_one(chr(code))
            if folded != chr(code):
                table[code] = folded
    for source in (_simplified(), _LOOKALIKES, _DIGITS, _STROKES):
        table.update((ord(char), _fold_one(char)) for char in source)
    return table


def fold(char: str) -> str | None:
    """Return what one character stands for: a character, `SKIP`, `BARRIER`, or None if it stands for
    several."""
    return fold_table().get(ord(char), char)


def expand(char: str) -> str:
    """Return the folded characters that `char` stands for: "№" -> "no", "⑩" -> "10"."""
    folded = fold(char)
    if folded is not None:
        return folded
    if char in CIRCLED:
        return str(unicodedata.digit(char))
    parts = (fold(c) for c in _PICTURES.get(char) or unicodedata.normalize("NFKC", char))
    return "".join(p for p in parts if p)


def fold_text(text: str) -> str:
    """Fold a whole short text (a term, a phrase): insertions vanish, barriers stay as line feeds."""
    return "".join(map(expand, text))


@functools.cache
def common_words() -> frozenset[str]:
    """Common two-character words, folded; they tell a term from two words that merely touch."""
    words: set[str] = set()
    for line in (DATA / "common_words.txt").read_text("utf-8").splitlines():
        if not line.startswith("#"):
            words.update(line[0] + tail for tail in line[1:])
    table = {ord(c): d for c, d in _DIGITS.items()}
    return frozenset(w.translate(table) for w in words)
