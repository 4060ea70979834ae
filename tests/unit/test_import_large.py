"""Large files: complete, within the memory that an import may take, and no larger than is accepted."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from backend.imports import reader
from backend.imports.parse import parse_file
from backend.imports.reader import open_table
from backend.imports.records import FileRefused
from tests.unit.import_files import HEADERS, OWN, inline_row, raw_workbook, sheet

ROWS = 50_000
MEGABYTES = 100  # 22 for interpreter and libraries, 1.2 a thousand rows: the 200,000 of the limit take 258

MEASURED = """
import sys
from pathlib import Path
from backend.imports.parse import parse_file

parsed = parse_file(Path(sys.argv[1]), name="orders")
peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
numbers = {record.order_no for record in parsed.records}
print(parsed.rows, len(numbers), len(parsed.rejected), int(peak.split()[1]) // 1024)
"""


def cells(number: int) -> list[str]:
    changed = {
        "订单号": f"3920017{number:012d}",
        "买家账号": f"buyer_{number:06d}",
        "收货人": f"顾客{number:06d}",
        "手机号": f"138{number:08d}",
        "详细地址": f"文三路{number}号1栋101室",
        "商品编码": f"SKU{number % 500:03d}",
        "下单IP": f"10.{number // 65536}.{number // 256 % 256}.{number % 256}",
        "设备标识": f"d{number:07d}",
        "商品名称": "珊瑚绒睡衣",
        "买家备注": "",
    }
    return list((OWN | changed).values())


def test_fifty_thousand_rows_stay_within_memory_and_one_beyond_the_limit_is_refused(tmp_path, monkeypatch):
    path = tmp_path / "orders.csv"
    with path.open("w", encoding="utf-8") as out:
        out.write(",".join(HEADERS["own_shop_21"]) + "\n")
        out.writelines(",".join(cells(number)) + "\n" for number in range(ROWS))
    command = [sys.executable, "-c", MEASURED, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2])
    rows, numbers, rejected, megabytes = map(int, done.stdout.split())
    assert (rows, numbers, rejected) == (ROWS, ROWS, 0)
    assert megabytes < MEGABYTES
    with path.open("a", encoding="utf-8") as out:
        out.write(",".join(cells(ROWS)) + "\n")
    assert reader.MAX_ROWS == 200_000
    monkeypatch.setattr(reader, "MAX_ROWS", ROWS)  # the limit itself is tried on a file of a quarter
    with pytest.raises(FileRefused) as refused:
        sum(1 for _ in open_table(path, name=path.name).rows())
    assert refused.value.key == "rows_many"


def test_a_workbook_of_twenty_thousand_orders_is_streamed(tmp_path):
    count = 20_000
    body = [inline_row(1, HEADERS["own_shop_21"]), *(inline_row(n + 2, cells(n)) for n in range(count))]
    path = tmp_path / "orders.xlsx"
    path.write_bytes(raw_workbook(sheet("".join(body))))
    with zipfile.ZipFile(path) as archive:
        assert sum(entry.file_size for entry in archive.infolist()) > 20_000_000
    parsed = parse_file(path, name="orders.xlsx")
    assert (len(parsed.records), parsed.rejected) == (count, ())
    assert parsed.records[-1].order_no == f"3920017{count - 1:012d}"
