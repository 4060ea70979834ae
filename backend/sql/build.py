"""Assembles backend/sql/NN_area.sql, in the order of their names, into schema.sql at the repository root.

`python -m backend.sql.build` writes the file; `--check` only compares and exits 1 when they differ.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

PARTS = Path(__file__).parent
TARGET = PARTS.parent.parent / "schema.sql"
HEADER = "-- Assembled from backend/sql by `python -m backend.sql.build`; edit the parts, not this file.\n"


def parts() -> list[Path]:
    """The area files in the order in which they apply."""
    return sorted(path for path in PARTS.glob("*.sql") if re.match(r"^\d\d_\w+\.sql$", path.name))


def assemble() -> str:
    """The text of schema.sql. Empty when no area exists."""
    sections = [
        f"\n-- ==== {path.name} ====\n\n{path.read_text(encoding='utf-8').strip()}\n" for path in parts()
    ]
    return HEADER + "".join(sections) if sections else ""


def line_in_part(line: int) -> str:
    """The place in an area file that stands on `line` (1-based) of the assembled text, as `file:line`."""
    name, start = "schema.sql", 0
    for number, text in enumerate(assemble().splitlines(), start=1):
        found = re.match(r"^-- ==== (\d\d_\w+\.sql) ====$", text)
        if found and number <= line:
            name, start = found.group(1), number + 1
    return f"{name}:{line - start}"


def main(arguments: list[str]) -> int:
    """Write or check schema.sql; returns the exit code."""
    text = assemble()
    if arguments == ["--check"]:
        same = TARGET.exists() and TARGET.read_text(encoding="utf-8") == text
        if not same:
            print("schema.sql differs from backend/sql: run python -m backend.sql.build", file=sys.stderr)
        return 0 if same else 1
    if arguments:
        print("usage: python -m backend.sql.build [--check]", file=sys.stderr)
        return 2
    TARGET.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
