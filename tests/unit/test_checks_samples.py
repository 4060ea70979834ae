"""The checks of a contact give exactly the exceptions of the three sample exports, no more and no fewer."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from backend.checks.contact import check_contact
from backend.checks.models import Checked

SAMPLES = Path(__file__).parents[1] / "data" / "samples"
JUDGED_HERE = {"bad_phone", "missing_detail", "mismatch", "suspicious"}


@dataclass(frozen=True)
class Export:
    """Where one platform writes what the checks read."""

    file: str
    encoding: str
    order_no: str
    waiting: str  # only orders that wait to ship are judged; unpaid ones and history are not
    status: str
    phone: str
    receiver: str
    address: str
    columns: tuple[str, str, str] | None
    notes: tuple[str, str]


EXPORTS = {
    "taobao": Export(
        "taobao_ExportOrderList.csv", "gb18030", "订单编号", "买家已付款，等待卖家发货", "订单状态",
        "联系手机", "收货人姓名", "收货地址 ", None, ("买家留言", "订单备注"),
    ),
    "jd": Export(
        "jd_orders.csv", "gb18030", "订单号", "等待出库", "订单状态", "联系电话", "客户姓名", "客户地址",
        None, ("订单备注", "商家备注"),
    ),
    "douyin": Export(
        "douyin_orders.csv", "utf-8-sig", "主订单编号", "待发货", "订单状态", "收件人手机号", "收件人",
        "详细地址", ("省", "市", "区"), ("买家留言", "商家备注"),
    ),
}  # fmt: skip


def judged(export: Export) -> Iterator[tuple[str, Checked]]:
    with (SAMPLES / export.file).open(encoding=export.encoding, newline="") as file:
        for row in csv.DictReader(file):
            if row[export.status] != export.waiting:
                continue
            province, city, district = (
                (row[name] for name in export.columns) if export.columns else (None,) * 3
            )
            yield (
                row[export.order_no].strip().strip('="'),
                check_contact(
                    phone=row[export.phone],
                    receiver=row[export.receiver],
                    province=province,
                    city=city,
                    district=district,
                    address=row[export.address],
                    notes=[row[name] for name in export.notes],
                ),
            )


@pytest.mark.parametrize("platform", EXPORTS)
def test_findings_are_exactly_the_expected_ones(platform: str) -> None:
    expected = json.loads((SAMPLES / f"{platform}_expected.json").read_text("utf-8"))
    found = {
        number: {finding.kind for finding in checked.findings}
        for number, checked in judged(EXPORTS[platform])
    }
    assert len(found) > 20
    assert {number: kinds for number, kinds in found.items() if kinds} == {
        number: set(kinds) & JUDGED_HERE
        for number, kinds in expected.items()
        if number in found and set(kinds) & JUDGED_HERE
    }


@pytest.mark.parametrize("platform", EXPORTS)
def test_every_address_of_the_samples_is_recognised_without_a_note(platform: str) -> None:
    for number, checked in judged(EXPORTS[platform]):
        assert checked.parts.province, number
        assert checked.parts.city, number
        assert not checked.notes, number


@pytest.mark.parametrize("platform", EXPORTS)
def test_remote_provinces_come_from_the_recognised_parts(platform: str) -> None:
    remote = {
        "新疆维吾尔自治区",
        "西藏自治区",
        "内蒙古自治区",
        "青海省",
        "宁夏回族自治区",
        "甘肃省",
        "海南省",
    }
    expected = json.loads((SAMPLES / f"{platform}_expected.json").read_text("utf-8"))
    found = {number for number, checked in judged(EXPORTS[platform]) if checked.parts.province in remote}
    assert found == {number for number, kinds in expected.items() if "remote" in kinds}
