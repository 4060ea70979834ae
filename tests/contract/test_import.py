"""The command `import` on a fresh, empty desk: exports give exactly the exceptions they should."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from backend.cli import main
from backend.local.stack import Stack
from tests.conftest import Installation
from tests.support import forget_imports

SAMPLES = Path(__file__).parents[1] / "data" / "samples"
ROOT = Path(__file__).parents[2]
FILES = {
    "taobao": ("taobao_ExportOrderList.csv", 66, 64),
    "jd": ("jd_orders.csv", 57, 56),
    "douyin": ("douyin_orders.csv", 65, 64),
}


@pytest.fixture(scope="module")
def own_stack(installation: Installation) -> Iterator[Stack]:
    """An desk of this module alone, started as `local --no-demo` does."""
    with Stack(installation("import"), fsync=False) as stack:
        yield stack


@pytest.fixture
def desk(own_stack: Stack) -> Iterator[Stack]:
    """The desk, empty: what tests made is gone afterwards."""
    yield own_stack
    forget_imports(own_stack.admin_url)


def environment(stack: Stack) -> dict[str, str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("SUPABASE_", "DESK_"))}
    return clean | {"DESK_DATA_DIR": str(stack.data_dir)}


def run(stack: Stack, *arguments: str | Path) -> tuple[int, Any]:
    """Exit code and JSON of `python -m backend import … --json`, without the price of a new process."""
    out = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(out):
        for name in set(os.environ) - set(environment(stack)):
            patch.delenv(name)
        patch.setenv("DESK_DATA_DIR", str(stack.data_dir))
        code = main(["import", *map(str, arguments), "--json"])
    return code, json.loads(out.getvalue())


def query(stack: Stack, text: str, *values: Any) -> list[Any]:
    with psycopg.connect(stack.db_url) as owner:
        return owner.execute(text, values).fetchall()


def exceptions(stack: Stack) -> dict[str, list[str]]:
    """Open exceptions by order number, as the samples list them."""
    found = query(
        stack,
        """select o.order_no, array_agg(x.kind order by x.kind)
           from order_exceptions x join orders o on o.id = x.order_id
           where x.state in ('open', 'waiting_customer') group by 1""",
    )
    return dict(found)


def expected(platform: str) -> dict[str, list[str]]:
    wanted = json.loads((SAMPLES / f"{platform}_expected.json").read_text("utf-8"))
    return {order_no: sorted(kinds) for order_no, kinds in wanted.items()}


@pytest.mark.parametrize("platform", FILES)
def test_a_sample_alone_gives_exactly_its_exceptions(desk: Stack, platform: str) -> None:
    name, rows, orders = FILES[platform]
    code, stock = run(desk, "products", SAMPLES / "stock.csv")
    assert (code, stock["rows"], stock["accepted"], stock["rejected"]) == (0, 16, 16, [])
    code, report = run(desk, "orders", SAMPLES / name)
    assert (code, report["rows"], report["accepted"], report["rejected"]) == (0, rows, orders, [])
    wanted = expected(platform)
    assert exceptions(desk) == wanted
    kinds = [kind for found in wanted.values() for kind in found]
    assert report["exceptions"] == {kind: kinds.count(kind) for kind in set(kinds)}
    assert query(desk, "select code, platform from shops") == [(platform, platform)]


def test_the_order_of_files_does_not_matter(desk: Stack) -> None:
    run(desk, "orders", SAMPLES / "taobao_ExportOrderList.csv")
    run(desk, "products", SAMPLES / "stock.csv")
    assert exceptions(desk) == expected("taobao")


def test_the_same_file_again_changes_nothing(desk: Stack) -> None:
    run(desk, "products", SAMPLES / "stock.csv")
    _, first = run(desk, "orders", SAMPLES / "jd_orders.csv")
    state = "select id, version, contact_id from orders order by id"
    before = query(desk, state)
    code, second = run(desk, "orders", SAMPLES / "jd_orders.csv")
    assert (code, second["accepted"], second["updated"], second["unchanged"]) == (0, 0, 0, 56)
    assert second["exceptions"] == first["exceptions"]
    assert query(desk, state) == before
    assert exceptions(desk) == expected("jd")


def test_a_newer_file_updates_and_an_older_one_does_not(desk: Stack, tmp_path: Path) -> None:
    old = SAMPLES / "douyin_orders.csv"
    text = old.read_text("utf-8-sig")
    waiting = next(line for line in text.splitlines() if ",待发货," in line)
    new = tmp_path / "later.csv"
    new.write_text(text.replace(waiting, waiting.replace(",待发货,", ",已发货,")), "utf-8-sig")
    run(desk, "orders", old)
    code, report = run(desk, "orders", new)
    assert (code, report["updated"], report["unchanged"]) == (0, 1, 63)
    status = "select status from orders where order_no = %s"
    number = waiting.split(",")[0].strip()
    assert query(desk, status, number) == [("shipped",)]
    run(desk, "orders", old)
    assert query(desk, status, number) == [("shipped",)]


def test_nothing_personal_is_readable_in_the_database(desk: Stack) -> None:
    """Every text of every table, against the names, phones and address details of the file."""
    run(desk, "orders", SAMPLES / "douyin_orders.csv")
    with (SAMPLES / "douyin_orders.csv").open(encoding="utf-8-sig", newline="") as stream:
        lines = list(csv.DictReader(stream))
    names = {line["收件人"].strip() for line in lines} - {"", "-"}
    details = {line["详细地址"].strip() for line in lines if len(line["详细地址"]) > 6}
    tables = query(
        desk,
        """select c.oid::regclass::text from pg_class c join pg_namespace n on n.oid = c.relnamespace
           where n.nspname in ('public', 'private') and c.relkind = 'r'""",
    )
    text = "\n".join(row[0] for (table,) in tables for row in query(desk, f"select t::text from {table} t"))
    assert "69400034778899055" in text, "the orders themselves are there"
    assert [found for found in names | details if found in text] == []
    assert re.search(r"(?<!\d)1[3-9]\d{9}(?!\d)", text) is None


def test_dry_run_stores_nothing(desk: Stack) -> None:
    code, report = run(desk, "orders", SAMPLES / "taobao_ExportOrderList.csv", "--dry-run")
    assert (code, report["rows"], report["accepted"], report["dry_run"]) == (0, 66, 64, True)
    assert report["exceptions"]["bad_phone"] == 3
    assert query(desk, "select count(*) from shops") == [(0,)]
    assert query(desk, "select count(*) from imports") == [(0,)]


@pytest.fixture
def spoilt(tmp_path: Path) -> Path:
    """A JD file whose second order has a price that is no number."""
    lines = (SAMPLES / "jd_orders.csv").read_bytes().decode("gb18030").splitlines(keepends=True)
    cells = lines[2].split(",")
    cells[3] = "两件"
    path = tmp_path / "spoilt.csv"
    path.write_bytes("".join([*lines[:2], ",".join(cells), *lines[3:5]]).encode("gb18030"))
    return path


def test_refused_lines_are_listed_and_the_others_taken(desk: Stack, spoilt: Path) -> None:
    code, report = run(desk, "orders", spoilt)
    assert (code, report["rows"], report["accepted"]) == (1, 4, 3)
    (rejected,) = report["rejected"]
    assert set(rejected) == {"row", "column", "reason"}
    assert (rejected["row"], rejected["column"]) == (3, "订购数量")
    assert query(desk, "select row_no, column_name from import_errors") == [(3, "订购数量")]


def test_strict_takes_all_or_nothing(desk: Stack, spoilt: Path) -> None:
    code, report = run(desk, "orders", spoilt, "--strict")
    assert (code, report["state"], report["accepted"], len(report["rejected"])) == (1, "refused", 0, 1)
    assert query(desk, "select count(*) from orders") == [(0,)]


def test_several_files_give_a_list(desk: Stack) -> None:
    code, reports = run(desk, "orders", SAMPLES / "jd_orders.csv", SAMPLES / "douyin_orders.csv")
    assert (code, [report["shop"] for report in reports]) == (0, ["jd", "douyin"])
    assert query(desk, "select code from shops order by id") == [("jd",), ("douyin",)]


def test_which_shop(desk: Stack) -> None:
    """Unknown code or several shops of the platform: wrong usage, nothing imported."""
    code, report = run(desk, "orders", SAMPLES / "jd_orders.csv", "--shop", "nope")
    assert (code, report["state"]) == (2, "refused")
    with psycopg.connect(desk.db_url, autocommit=True) as owner:
        for name in ("east", "west"):
            owner.execute("select private.ensure_shop(%s, %s, 'jd')", (name, name))
    code, _ = run(desk, "orders", SAMPLES / "jd_orders.csv")
    assert code == 2
    assert query(desk, "select count(*) from orders") == [(0,)]
    code, report = run(desk, "orders", SAMPLES / "jd_orders.csv", "--shop", "west")
    assert (code, report["shop"]) == (0, "west")


@pytest.mark.parametrize("arguments", [["orders", "missing.csv"], ["leads", "x.csv"], ["orders"]])
def test_wrong_usage_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, arguments: list[str]
) -> None:
    """Before any database is asked: there is none."""
    monkeypatch.setenv("DESK_DATA_DIR", str(tmp_path / "nowhere"))
    try:
        code: object = main(["import", *arguments, "--json"])
    except SystemExit as ended:
        code = ended.code
    told = capsys.readouterr()
    assert (code, told.out) == (2, "")
    assert told.err
    assert not (tmp_path / "nowhere").exists()


def test_what_is_no_order_file_is_refused_with_the_reason(desk: Stack, tmp_path: Path) -> None:
    path = tmp_path / "page.csv"
    path.write_text("<html><body>login</body></html>")
    code, report = run(desk, "orders", path)
    assert (code, report["state"], report["rows"]) == (1, "refused", 0)
    assert "网页" in report["refused"]


def test_a_killed_import_goes_on_with_the_same_file(desk: Stack, tmp_path: Path) -> None:
    path = tmp_path / "many.csv"
    many(path, 4400)
    command = [sys.executable, "-m", "backend", "import", "orders", str(path), "--json"]
    with subprocess.Popen(
        command, cwd=ROOT, env=environment(desk), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert wait_for(desk, "select coalesce(max(rows_staged), 0) >= 2000 from imports")
        process.send_signal(signal.SIGKILL)
    assert query(desk, "select state from imports") == [("staging",)]
    code, report = run(desk, "orders", path)
    assert (code, report["accepted"] + report["unchanged"]) == (0, 4400)
    assert query(desk, "select count(*), count(*) filter (where state = 'done') from imports") == [(1, 1)]
    assert query(desk, "select count(*), count(distinct order_no) from orders") == [(4400, 4400)]
    assert query(desk, "select count(*) from private.import_rows") == [(0,)]


def many(path: Path, count: int) -> None:
    """The Douyin sample's first order, over and over under new numbers."""
    with (SAMPLES / "douyin_orders.csv").open(encoding="utf-8-sig", newline="") as stream:
        reader = csv.DictReader(stream)
        first, header = next(reader), reader.fieldnames or ()
    with path.open("w", encoding="utf-8-sig", newline="") as stream:
        writer = csv.DictWriter(stream, header)
        writer.writeheader()
        for number in range(count):
            order_no = str(6_900_000_000_000_000 + number)
            writer.writerow(first | {"主订单编号": order_no, "子订单编号": f"{order_no}1"})


def wait_for(stack: Stack, condition: str, seconds: float = 60) -> bool:
    """Whether the condition becomes true in time."""
    end = time.monotonic() + seconds
    with psycopg.connect(stack.db_url, autocommit=True) as owner:
        while time.monotonic() < end:
            row = owner.execute(condition).fetchone()
            if row and row[0]:
                return True
    return False
