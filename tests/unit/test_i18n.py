"""Every word of the pages exists in both languages, and no page carries words of its own."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from backend import errors
from pages.shared import i18n

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = sorted(ROOT.glob("pages/**/*.py"))
WORDING = {"format.py", "i18n.py"}  # the formatters of times, and the languages under their own names
CHINESE = re.compile(r"[\u4e00-\u9fff]")
FULL_WIDTH = re.compile(r"[，。：；（）、！？]")
READ_ONLY = [  # marks that people type and files hold: they are read, never shown
    ("dictionary_form.py", ["、"]),
    ("setting.py", ["[；;，,\\n]+", "："]),
    ("wizard.py", ["、"]),
]
CATALOGUES = {"pages": i18n.catalogue(), "messages": errors.catalogue()}


def texts() -> Iterator[tuple[str, str, dict[str, str]]]:
    for where, catalogue in CATALOGUES.items():
        for key, sentences in catalogue.items():
            yield where, key, sentences


@cache
def parsed(script: Path) -> ast.Module:
    return ast.parse(script.read_text("utf-8"))


@cache
def calls(script: Path) -> list[tuple[str, ast.Call]]:
    """Calls of t(…) and plain(…) with their key, f-string parts as *."""
    return [
        (key, node)
        for node in ast.walk(parsed(script))
        if isinstance(node, ast.Call) and _name(node.func) in {"t", "plain"} and node.args
        for key in _keys(node.args[0])
    ]


def as_pattern(key: str) -> re.Pattern[str]:
    return re.compile(re.escape(key).replace(r"\*", ".+"))


def _name(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def _keys(node: ast.expr) -> list[str]:
    if isinstance(node, ast.Constant):
        return [str(node.value)]
    if isinstance(node, ast.IfExp):
        return [*_keys(node.body), *_keys(node.orelse)]
    if isinstance(node, ast.JoinedStr):
        return ["".join(str(p.value) if isinstance(p, ast.Constant) else "*" for p in node.values)]
    return []  # a variable: its values are keys of other tables, checked where those are


def test_each_text_has_both_languages_and_the_same_parameters() -> None:
    wrong = []
    for where, key, sentences in texts():
        if set(sentences) != {"zh-CN", "en"} or not all(text.strip() for text in sentences.values()):
            wrong.append(f"{where} {key}: languages")
        elif len({frozenset(re.findall(r"\{(\w+)", text)) for text in sentences.values()}) != 1:
            wrong.append(f"{where} {key}: parameters")
    assert not wrong


def test_english_is_english_and_chinese_is_chinese() -> None:
    names = {"bar.other_language", "locale.unknown"}  # Chinese under its own name
    mixed = [key for _, key, text in texts() if CHINESE.search(text["en"]) and key not in names]
    assert mixed == []
    assert [key for _, key, text in texts() if FULL_WIDTH.search(text["en"])] == []
    marks = [(script.name, own_words(parsed(script), FULL_WIDTH)) for script in SCRIPTS]
    assert sorted((name, found) for name, found in marks if found) == READ_ONLY
    latin = re.compile(r"^[\x00-\x7f]*[a-z]{3,} [a-z]{3,} [a-z]{3,}")
    assert [key for _, key, text in texts() if latin.search(text["zh-CN"])] == []


def test_each_key_a_page_uses_exists_and_gets_its_parameters() -> None:
    known = CATALOGUES["pages"]
    wrong = []
    for script in SCRIPTS:
        for key, call in calls(script):
            if key not in known and not any(as_pattern(key).fullmatch(candidate) for candidate in known):
                wrong.append(f"{script.name} {key}: no such key")
            elif key in known and not any(word.arg is None for word in call.keywords):
                wanted = set(re.findall(r"\{(\w+)", known[key]["en"]))
                given = {str(word.arg) for word in call.keywords}
                if wanted != given:
                    wrong.append(f"{script.name} {key}: wants {sorted(wanted)}, gets {sorted(given)}")
    assert wrong == []


def test_pages_carry_no_words_of_their_own() -> None:
    found = [
        f"{script.name}: {words}"
        for script in SCRIPTS
        if script.name not in WORDING
        for words in own_words(parsed(script))
    ]
    assert found == []


def own_words(tree: ast.Module, pattern: re.Pattern[str] = CHINESE) -> list[str]:
    """Chinese (or what else is looked for) in the code of a page; its docstrings are for us."""
    docs = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.FunctionDef | ast.ClassDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    return [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs
        if pattern.search(node.value)
    ]


def test_no_key_is_left_over() -> None:
    used = {key for script in SCRIPTS for key, _ in calls(script)}
    patterns = [as_pattern(key) for key in used if "*" in key]
    source = "\n".join(path.read_text("utf-8") for path in [*SCRIPTS, *ROOT.glob("backend/**/*.py")])
    unused = [
        key
        for key in CATALOGUES["pages"]
        if key not in used
        and not any(pattern.fullmatch(key) for pattern in patterns)
        and f'"{key}"' not in source
    ]
    assert unused == []
