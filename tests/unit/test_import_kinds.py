"""The kinds that pages offer are those that the database allows."""

from pathlib import Path

from backend.imports import kinds, mapping
from backend.imports.platforms.layouts import LAYOUTS, column_places, recognise

SQL = (Path(__file__).parents[2] / "backend/sql/50_orders.sql").read_text("utf-8")


def test_the_database_knows_the_same_kinds() -> None:
    listed = SQL.partition("private.import_kinds()")[2].partition("array[")[2].partition("]")[0]
    assert tuple(word.strip(" '") for word in listed.split(",")) == kinds.KINDS


def test_our_templates_are_recognised_as_what_they_are() -> None:
    for kind in kinds.KINDS:
        headers = [field.zh for field in mapping.fields(kind)]
        layout = recognise(headers)
        assert layout is not None, kind
        assert layout.kind == kind
        assert set(layout.required) <= set(column_places(layout.columns, headers))


def test_no_sheet_takes_the_file_of_another() -> None:
    """The first spelling of every column of a layout is recognised as that kind."""
    wrong = {}
    for layout in LAYOUTS:
        found = recognise([names[0] for names in layout.columns.values()])
        if found is None or found.kind != layout.kind:
            wrong[layout.name] = found and found.name
    assert wrong == {}
