"""The proposed text: every hit reworded, and what a removed claim leaves behind tidied as a person would.

A claim taken out of a sentence rarely leaves a sentence. Where it only describes what follows
("国内一流的设备") it goes alone; otherwise its clause goes with it. A text without punctuation is a row of
keywords, of which each can go by itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from backend.words.models import Hit

_ENDS: Final = "。！？!?；;\n"
_COLONS: Final = ("：", ":")
_MARK: Final = re.compile(rf"((?:[{_ENDS}，、：]|(?<![0-9])[,:]|[,:](?![0-9]))+[ \t]*)")
"""What ends a clause; not the comma of 1,000 or the colon of 20:00."""
_DESCRIBING: Final = frozenset({"absolute", "authority", "national_symbol", "trademark"})
"""Categories whose terms mostly describe the word after them."""
_OPEN_START: Final = re.compile(
    r"[的地得了着过吗呢吧啊呀哦们就都也还又才却是不没会能可要让给把被比跟和与及到为在等之一二两三四五六七八九十百千万0-9%％]"
)
"""What follows a removed claim and needs it: a particle, a verb's helper, a number."""
_OPEN_END: Final = re.compile(r"[把被让给对向跟和与及比是有为在到从将会能可就都很更最不没这那个款家]\Z")
_ADDRESS: Final = re.compile(
    r"(?:亲爱的|亲|[您你]好|家人们?|宝[子宝贝妈]们?|姐妹们?|兄弟们?|老铁们?|朋友们?|同学们?|各位|大家|家长|老师|哎|嗯|哈喽|在的|好的)*\Z"
)
_GONE: Final = "\0"
"""Stands for a removed claim that goes with its clause; `_DESCRIBED` for one that only describes."""
_DESCRIBED: Final = "\1"
_REMOVED: Final = re.compile(f"[{_GONE}{_DESCRIBED}]+")
_NO_MARK: Final = {ord(_GONE): " ", ord(_DESCRIBED): " "}
"""A text's own control characters are none of our marks."""
_PARTICLE: Final = re.compile(f"{_DESCRIBED}+[的地]?(?=.)")
_LEADING: Final = re.compile(f"^[{_GONE}{_DESCRIBED}]+[的地]")
_ACCOUNT: Final = re.compile(r"[❤♥\ufe0f]+|[：:，,\s]*[A-Za-z0-9_-]{5,20}(?![A-Za-z0-9_-])")
"""The account that an invitation out of the platform names, or the heart of its name; it goes along."""


class _Clause(NamedTuple):
    """What is said and the mark after it."""

    said: str
    mark: str


def rewrite(text: str, hits: Sequence[Hit]) -> str:
    """Propose a text in which every hit is reworded or left out; hits that only need evidence stay.

    What no hit touches is kept as it is. "" if nothing that can stay is left.
    """
    if not hits:
        return text
    marked = _marked(text, hits)
    if not _REMOVED.search(marked):
        return marked
    if not _MARK.search(marked):
        return _keywords(marked)
    lines = [(line, _line(line)) for line in marked.split("\n")]
    return "\n".join(left for line, left in lines if left or not line)


def _marked(text: str, hits: Sequence[Hit]) -> str:
    """Reword the hits and put a mark where one is taken out."""
    plain = text.translate(_NO_MARK)
    parts: list[str] = []
    done = 0
    for hit in hits:
        if hit.start < done:
            continue
        put = plain[hit.start : hit.end] if hit.replacement is None else hit.replacement
        if hit.replacement == "":
            put = _DESCRIBED if hit.category in _DESCRIBING else _GONE
        parts += (plain[done : hit.start], put)
        account = _ACCOUNT.match(text, hit.end) if hit.category == "platform" and hit.replacement else None
        done = account.end() if account else hit.end
    return "".join([*parts, plain[done:]])


def _keywords(marked: str) -> str:
    """Take the claims out of a row of keywords, and single characters that they leave."""
    words = ((word, _REMOVED.sub("", _LEADING.sub("", word))) for word in marked.split())
    return " ".join(left for word, left in words if left == word or len(left.strip("·|/-")) > 1)


def _line(line: str) -> str:
    """Rewrite one line, sentence by sentence."""
    return "".join(
        clause.said + clause.mark for sentence in _sentences(line) for clause in _sentence(sentence)
    )


def _sentences(line: str) -> Iterator[list[_Clause]]:
    parts = [*_MARK.split(line), ""]
    sentence: list[_Clause] = []
    for clause in map(_Clause, parts[::2], parts[1::2]):
        sentence.append(clause)
        if clause.mark.strip()[-1:] in tuple(_ENDS):
            yield sentence
            sentence = []
    yield sentence


def _sentence(clauses: list[_Clause]) -> list[_Clause]:
    """Leave out the clauses that nothing is left of; the last that stays ends the sentence."""
    if not any(_REMOVED.search(clause.said) for clause in clauses):
        return clauses
    end = clauses[-1].mark
    left = [clause._replace(said=said) for clause in clauses if (said := _clause(clause.said))]
    while left and left[-1].mark.strip() in _COLONS and end.strip() not in _COLONS:
        left.pop()
    if all(_ADDRESS.match(clause.said) for clause in left):
        return []
    return [*left[:-1], left[-1]._replace(mark=end)]


def _clause(said: str) -> str:
    """Return what stays of a clause, "" if that says nothing."""
    if not _REMOVED.search(said):
        return said
    kept = _PARTICLE.sub(_DESCRIBED, said)
    after = kept.rpartition(_DESCRIBED)[2].strip()
    if _GONE in said or len(after) < 2 or _OPEN_START.match(after) or _OPEN_END.search(after):
        return ""
    return kept.replace(_DESCRIBED, "").strip()
