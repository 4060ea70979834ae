"""The data files: valid, consistent with each other, and refused with the line that is wrong."""

import csv
from pathlib import Path

import pytest

from backend.words import dictionary
from backend.words.compiled import compiled
from backend.words.conditions import compile_row
from backend.words.dictionary import CATEGORIES, ExceptionRow, shipped
from backend.words.fold import fold_text
from backend.words.lang import any_of, split_alternatives

HERE = Path(dictionary.__file__).parent


def test_every_exception_belongs_to_a_term() -> None:
    known = {fold_text(e.term) for e in shipped().entries} | {fold_text(p.name) for p in shipped().patterns}
    known |= {fold_text("最" + word) for word, _ in shipped().superlatives}
    unknown = {t for row in shipped().exceptions for t in row.terms if fold_text(t) not in known}
    assert unknown == set()


def test_dictionary_has_no_term_twice_and_only_known_categories() -> None:
    terms = [entry.term for entry in shipped().entries]
    assert len(terms) == len(set(terms))
    assert {entry.category for entry in shipped().entries} == set(CATEGORIES)
    assert all(e.legal_basis and e.suggestion for e in shipped().entries)


def test_every_pattern_matches_something_that_its_trigger_announces() -> None:
    for row in shipped().patterns:
        regex = any_of([row.pattern])
        assert regex.groups == 0
        assert row.triggers
        assert row.category in CATEGORIES


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("甲,nothing,block,法,改,exact,,", "line 2"),
        ("甲,absolute,never,法,改,exact,,", "line 2"),
        ("甲,absolute,block,法,改,regex,,", "match_kind"),
    ],
)
def test_a_wrong_row_is_refused_with_its_line(line: str, message: str) -> None:
    header = ",".join(csv.DictReader((HERE / "dictionary.csv").open(encoding="utf-8")).fieldnames or [])
    with pytest.raises(ValueError, match=message):
        dictionary.read_entries(f"{header}\n{line}\n")


@pytest.mark.parametrize(
    "row", [("clean", "phrase", "无标记"), ("free", "phrase", "~x"), ("clean", "moon", "x")]
)
def test_a_wrong_exception_is_refused(row: tuple[str, str, str]) -> None:
    with pytest.raises(ValueError, match=r"phrase|effect|place"):
        compile_row(ExceptionRow(("甲",), *row, ""))


def test_alternatives_split_outside_brackets_only() -> None:
    assert split_alternatives("a|[b|c]d|e") == ["a", "[b|c]d", "e"]


def test_a_change_of_the_dictionary_changes_its_version_and_compiles_once() -> None:
    one = shipped()
    other = dictionary.build(one.entries[1:], exceptions=one.exceptions)
    assert one.version != other.version
    assert compiled(one) is compiled(one)
    assert compiled(other).version == other.version
