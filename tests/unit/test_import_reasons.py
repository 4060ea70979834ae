"""Every reason the code can give has a sentence in both languages that says what to do."""

import ast
import re
from pathlib import Path

import pytest

from backend.imports.parse import parse_file
from backend.imports.reasons import REASONS, reason
from tests.unit.import_files import own

SOURCE = Path(__file__).parents[2] / "backend" / "imports"
PARSING = ("cells.py", "reader.py", "xlsx.py", "parse.py", "mapping.py")
GIVEN_AT = {"FileRefused": 0, "BadCell": 0, "Note": 0, "BadRow": 1, "Rejected": 2, "_refuse": 1}
PARAMS = re.compile(r"\{(\w+)\}")


def words(node: ast.AST | None) -> set[str]:
    """The string constants of an argument, both ends of `a if x else b` included."""
    if isinstance(node, ast.IfExp):
        return words(node.body) | words(node.orelse)
    return {node.value} if isinstance(node, ast.Constant) and isinstance(node.value, str) else set()


def keys_in_the_code() -> set[str]:
    found: set[str] = set()
    for path in [*SOURCE.glob("platforms/*.py"), *(SOURCE / name for name in PARSING)]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                name = getattr(node.func, "id", getattr(node.func, "attr", ""))
                found |= words(next(iter(node.args[GIVEN_AT.get(name, 99) :]), None))
                if name in ("chosen", "has"):  # readers of words, made with the key of their reason
                    found |= words(node.args[1])
                found |= {
                    word for given in node.keywords if given.arg == "key" for word in words(given.value)
                }
            if isinstance(node, ast.FunctionDef) and node.name == "count":
                found |= words(node.args.kw_defaults[0])
    return found


def test_every_key_has_a_sentence_and_every_sentence_a_key():
    assert keys_in_the_code() == set(REASONS)


@pytest.mark.parametrize("key", REASONS)
def test_sentences(key):
    zh, en = REASONS[key]
    assert set(PARAMS.findall(zh)) == set(PARAMS.findall(en))
    assert re.search(r"[\u4e00-\u9fff]", zh)
    assert not re.search(r"[\u4e00-\u9fff]", en)
    assert zh.endswith("。")
    assert en.endswith(".")


def test_language_and_unknown_keys():
    assert reason("quantity", {}, "zh-CN").startswith("数量")
    assert reason("quantity", {}, "en").startswith("The quantity")
    with pytest.raises(KeyError):
        reason("no_such_key", {})


def test_no_reason_repeats_what_a_person_wrote():
    secrets = ["欧阳修远", "13811112222", "文三路77号"]
    shifted = own(
        {"订单状态": secrets[0], "订单号": "1"},
        {"订单号": f"{secrets[1]} {secrets[0]}"},
        {"下单时间": secrets[2], "订单号": "3"},
        {"售后状态": secrets[2], "订单号": "4"},
        {"数量": secrets[1] + "x", "订单号": "5"},
        {"实付金额": secrets[0], "订单号": "6"},
        {"下单IP": secrets[2], "订单号": "7"},
    )
    rejected = parse_file(shifted, name="x.csv").rejected
    assert len(rejected) == 7
    for one in rejected:
        for lang in ("zh-CN", "en"):
            sentence = reason(one.key, one.params, lang) + str(one.params)
            assert not any(secret in sentence for secret in secrets)
