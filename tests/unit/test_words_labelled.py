"""The quality bars, on labelled texts. `dev` was looked at while rules were written, `holdout`, `fresh` and
`stranger` were not (see the README beside the texts)."""

import json
from pathlib import Path
from typing import Any

import pytest

from backend.words import check_one, rewrite
from backend.words.dictionary import shipped

SPLITS = ("dev", "holdout", "fresh", "stranger")
LABELLED = Path(__file__).parents[1] / "data" / "words" / "labelled.jsonl"
NEIGHBOURS = (
    {"absolute", "false_promise", "price_fraud"},
    {"medical", "health_food", "cosmetics"},
    {"time_limit", "price_fraud"},
)


def rows(split: str) -> list[dict[str, Any]]:
    lines = LABELLED.read_text("utf-8").splitlines()
    return [row for row in map(json.loads, lines) if row["split"] == split]


def neighbours(one: str, other: str) -> bool:
    return one == other or any(one in group and other in group for group in NEIGHBOURS)


def verdicts(split: str) -> list[tuple[dict[str, Any], Any]]:
    return [
        (row, check_one(row["text"], kind=row["kind"], category=row["category"], licences=row["licences"]))
        for row in rows(split)
    ]


def figures(split: str) -> dict[str, float]:
    """Return the four shares: spans found, disguised spans found, clean flagged, evidence-allowed blocked."""
    found: list[bool] = []
    disguised: list[bool] = []
    flagged: list[bool] = []
    blocked: list[bool] = []
    for row, result in verdicts(split):
        for span in row["spans"]:
            hit = any(
                h.start < span["end"] and span["start"] < h.end and neighbours(h.category, span["category"])
                for h in result.hits
            )
            found.append(hit)
            if span["disguised"]:
                disguised.append(hit)
        if row["label"] == "clean":
            flagged.append(result.verdict != "clean")
        elif row["label"] == "evidence":
            blocked.append(result.verdict == "block")
    lists = {"found": found, "disguised": disguised, "flagged": flagged, "blocked": blocked}
    return {name: sum(values) / len(values) for name, values in lists.items()}


@pytest.mark.parametrize("split", ["dev", "holdout"])
def test_quality_bars_are_met(split: str) -> None:
    share = figures(split)
    print(split, share)
    assert share["found"] >= 0.92
    assert share["disguised"] >= 0.85
    assert share["flagged"] <= 0.03
    assert share["blocked"] <= 0.03


def test_fresh_talk_stays_as_well_understood_as_it_was() -> None:
    """The hard end: many claims a text, in words no list foresaw. Measured once, after all tuning."""
    share = figures("fresh")
    print("fresh", share)
    assert share["found"] >= 0.84
    assert share["disguised"] >= 0.75
    assert share["flagged"] <= 0.04
    assert share["blocked"] <= 0.03


def test_what_strangers_write_is_understood_no_worse() -> None:
    """Far below the bars, every claim in words of its own. What is reached may not be lost."""
    share = figures("stranger")
    print("stranger", share)
    assert share["found"] >= 0.37
    assert share["disguised"] >= 0.5
    assert share["flagged"] <= 0.14
    assert share["blocked"] <= 0.03


@pytest.mark.parametrize("split", SPLITS)
def test_the_proposed_rewriting_has_nothing_left_to_block(split: str) -> None:
    """At the latest the second time: a claim may lose with another what excused it ("我们家" before 最低)."""
    left, twice = [], []
    for row, result in verdicts(split):
        if result.verdict != "block":
            continue
        proposal, again = row["text"], result
        for step in range(2):
            proposal = rewrite(proposal, again.hits)
            again = check_one(proposal, kind=row["kind"], category=row["category"], licences=row["licences"])
            if again.verdict != "block":
                break
            (left if step else twice).append((row["text"], proposal))
    assert left == []
    assert len(twice) <= 2, twice


@pytest.mark.parametrize("split", SPLITS)
def test_every_hit_says_on_what_ground_and_what_to_do(split: str) -> None:
    for row, result in verdicts(split):
        for hit in result.hits:
            assert "法" in hit.legal_basis or "条例" in hit.legal_basis, (row["text"], hit)
            assert hit.suggestion, (row["text"], hit)
            assert row["text"][hit.start : hit.end] == hit.text


def test_labels_are_consistent() -> None:
    everything = [row for split in SPLITS for row in rows(split)]
    assert len(everything) >= 400
    assert len({row["text"] for row in everything}) == len(everything), "a text may not be in both halves"
    for row in everything:
        assert bool(row["spans"]) == (row["label"] == "violation"), row["text"]
        for span in row["spans"]:
            assert 0 <= span["start"] < span["end"] <= len(row["text"])


def test_no_whole_sentence_was_added_to_the_rules() -> None:
    """Tuning by sentences would show as long terms."""
    assert max(len(entry.term) for entry in shipped().entries) <= 12
