"""A file of listings in, a workbook with the hits highlighted out."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from openpyxl import load_workbook

from backend.compliance import files
from backend.imports.reader import open_table
from backend.imports.records import FileRefused
from backend.words.dictionary import shipped


def checked(tmp_path: Path, text: str, name: str = "a.csv", **options: Any) -> tuple[Any, Path]:
    source, target = tmp_path / name, tmp_path / "out.xlsx"
    source.write_bytes(text.encode())
    totals = files.check_table(
        source,
        target,
        name=name,
        options={"columns": [1]} | options,
        book=shipped(),
        on_batch=options.pop("on_batch", lambda _: True),
    )
    return totals, target


def cells(target: Path) -> list[tuple[str, ...]]:
    return [row.cells for row in open_table(target, name="out.xlsx").rows()]


def sheet(target: Path) -> str:
    with zipfile.ZipFile(target) as archive:
        return archive.read("xl/worksheets/sheet1.xml").decode()


def test_every_cell_comes_back_with_its_verdict(tmp_path: Path) -> None:
    totals, target = checked(
        tmp_path, "编码,标题,价格\n1,这款最佳面霜,9\n2,保湿面霜,8\n3,水杯,7,多出的一格\n"
    )
    assert totals == {"rows": 3, "block": 1, "warn": 0, "clean": 2}
    rows = cells(target)
    assert rows[0] == ("结论", "问题词", "依据", "建议改为", "编码", "标题", "价格")
    assert rows[1][:2] == ("不可发布", "最佳")
    assert rows[1][4:] == ("1", "这款最佳面霜", "9")
    assert "最佳" not in rows[1][3]
    assert rows[2][0] == "未发现问题"
    assert rows[3][4:] == ("3", "水杯", "7", "多出的一格")
    others = load_workbook(target).worksheets[0].iter_rows(max_row=4, max_col=7, values_only=True)
    assert [tuple(cell or "" for cell in row) for row in others] == [row[:7] for row in rows]


def test_the_hit_is_a_run_of_its_own(tmp_path: Path) -> None:
    _, target = checked(tmp_path, "编码,标题\n1,这款最佳面霜\n")
    runs = [run for run in sheet(target).split("<r>") if "C00000" in run]
    assert len(runs) == 1
    assert ">最佳</t></r>" in runs[0]


def test_a_cell_that_is_one_hit_keeps_its_text(tmp_path: Path) -> None:
    _, target = checked(tmp_path, "编码,标题\n1,最佳\n")
    assert cells(target)[1][5] == "最佳"


@pytest.mark.parametrize(
    "text", ["=1+1最佳", "@最佳", " +最佳", "'=最佳", "最佳\x01面霜", "<b>&最佳", "_x0041_最佳"]
)
def test_no_cell_runs_and_no_highlight_slips(tmp_path: Path, text: str) -> None:
    _, target = checked(tmp_path, f"编码,标题\n1,{text}\n")
    found = cells(target)[1][5]
    assert not found.startswith(("=", "@", "+", " +"))
    assert found.removeprefix("'") == text.removeprefix("'").replace("\x01", "")
    assert "<f>" not in sheet(target)
    for piece in [run for run in sheet(target).split("<r>") if "C00000" in run]:
        assert ">最佳<" in piece


def test_two_hits_in_a_cell_and_two_columns(tmp_path: Path) -> None:
    totals, target = checked(tmp_path, "编码,标题,卖点\n1,最佳面霜 根治痘痘,最佳\n", columns=[1, 2])
    assert totals["block"] == 1
    assert sheet(target).count("<rPr>") >= 2
    assert cells(target)[1][1].split("；")[0] == "最佳"


def test_it_stops_when_told(tmp_path: Path) -> None:
    seen: list[Mapping[str, int]] = []

    def stop(progress: Mapping[str, int]) -> bool:
        seen.append(dict(progress))
        return False

    totals, _ = checked(tmp_path, "编码,标题\n" + "1,面霜\n" * 5000, on_batch=stop)
    assert totals is None
    assert [p["rows"] for p in seen] == [2000]


@pytest.mark.parametrize(
    ("text", "options", "key"),
    [
        ("编码\n1\n", {}, "file_check.column_missing"),
        ("a,b\n1,2\n", {"sheet": 3}, "file_check.column_missing"),
        ("", {}, "file_empty"),
        ("%PDF-1.7 a,b\n", {}, "not_a_table"),
    ],
)
def test_a_file_that_cannot_be_checked_says_why(
    tmp_path: Path, text: str, options: dict[str, Any], key: str
) -> None:
    with pytest.raises(FileRefused) as caught:
        checked(tmp_path, text, **options)
    assert caught.value.key == key
    assert files.why(key, {"params": dict(caught.value.params)})
    assert files.why(key, {"params": dict(caught.value.params)}, "en") != files.why(
        key, {"params": dict(caught.value.params)}
    )
