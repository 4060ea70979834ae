"""What a pasted text may be: order numbers, parcels, phones, buyers, names, out of whole chat lines."""

from __future__ import annotations

import pytest

from backend import pii, search

KEYRING = pii.Keyring.parse(pii.generate_key())


def found(text: str) -> dict[str, list[str]]:
    return search.candidates(KEYRING, text)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("69400038778899002", "69400038778899002"),
        ("订单号：69400038778899002 麻烦看下", "69400038778899002"),
        ("６９４０００３８７７８８９９００２", "69400038778899002"),
        ("221122-123456789012345", "221122-123456789012345"),
        ("buyer_0001 (2026-11-22 10:12:13): 我的319000000004什么时候发", "319000000004"),
        ("#1001", "1001"),
        ("A-1001", "A-1001"),
        ("运单 sf1234567890123 到哪了", "sf1234567890123"),
    ],
)
def test_order_numbers_come_out_of_what_was_pasted(text: str, number: str) -> None:
    assert number in found(text)["order_nos"]


def test_a_ticket_is_found_by_its_number_in_a_line() -> None:
    assert found("T-1042 客户又来问了，和ｔ－７是一件事")["tickets"] == ["1042", "7"]
    assert found("订单 69400038778899002")["tickets"] == []


def test_tracking_numbers_are_upper_case() -> None:
    assert found("运单 sf1234567890123 到哪了")["tracking"] == ["SF1234567890123"]


@pytest.mark.parametrize(
    "text",
    ["13800005678", "138 0000 5678", "+86 138-0000-5678", "请打 13800005678，谢谢", "１３８００００５６７８"],
)
def test_phones_become_blind_indexes(text: str) -> None:
    words = found(text)
    assert words["phone_hashes"] == [KEYRING.blind("phone", "13800005678")]
    assert "13800005678" not in {
        value for name in ("phone_hashes", "name_hashes", "last4_hashes") for value in words[name]
    }


def test_the_name_of_a_receiver_becomes_a_blind_index() -> None:
    assert found("张小明")["name_hashes"] == [KEYRING.blind("name", "张小明")]
    assert found("收件人：张小明 13800005678")["name_hashes"] == [KEYRING.blind("name", "张小明")]
    assert found("你好我想问一下什么时候发货")["name_hashes"] == []


def test_last_six_and_last_four() -> None:
    assert found("899002")["six"] == ["899002"]
    assert found("后六位 899002")["six"] == ["899002"]
    assert found("5678")["last4_hashes"] == [KEYRING.blind("phone_last4", "5678")]
    assert found("手机尾号5678")["last4_hashes"] == [KEYRING.blind("phone_last4", "5678")]
    assert found("2026")["six"] == []


@pytest.mark.parametrize(
    ("text", "buyer"),
    [
        ("tb_li2024", "tb_li2024"),
        ("旺旺：小猫 爱吃鱼", "小猫"),
        ("小猫爱吃鱼 (2026-11-22 10:12:13): 在吗", "小猫爱吃鱼"),
        ("小猫爱吃鱼: 在吗", "小猫爱吃鱼"),
        ("jd_4a7b", "jd_4a7b"),
    ],
)
def test_buyer_accounts_are_tried(text: str, buyer: str) -> None:
    assert buyer in found(text)["buyers"]


def test_times_are_no_order_numbers() -> None:
    words = found("2026-11-22 10:12:13")
    assert (words["order_nos"], words["six"]) == ([], [])


def test_nothing_is_asked_for_blanks(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not any(found("  \u200b ").values())
    assert search.search(None, KEYRING, " ") == search.Found()  # type: ignore[arg-type]


def test_long_pastes_are_bounded() -> None:
    words = found(" ".join(f"{n:012d}" for n in range(500)))
    assert all(len(values) <= search.MOST for values in words.values())
