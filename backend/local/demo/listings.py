"""The demo's texts: drafts on their way, one published text that yesterday's dictionary stopped, replies
put right.

Everything goes through the real RPCs, as the people of the demo would do it; figures are a product
decision: 12 texts on
their way (9 clean, 2 blocked, 1 that needs evidence), 1 suspended, 3 replies corrected this week.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from backend import jobs
from backend.compliance import Subject, check, commands, reads
from backend.compliance.models import Draft, ListingRef, Operation
from backend.job import Worker

if TYPE_CHECKING:
    from backend.local.demo.load import Player

SetClock = Callable[[datetime], None]
_KINDS: Final = ("recheck_texts", "try_words")
# shop, SKU, title, selling points, where it stands: every text is clean but the last three.
_TEXTS: Final = (
    ("tm", "SKU001", "加厚珊瑚绒睡衣套装女秋冬", "柔软亲肤，可机洗", "draft"),
    ("tm", "SKU003", "宿舍折叠小桌板 60cm", "折叠收纳，原木色", "draft"),
    ("jd", "SKU006", "静音无线鼠标 办公家用", "2.4G 连接，一节电池", "draft"),
    ("jd", "SKU008", "磁吸车载手机支架", "出风口卡扣，单手取放", "draft"),
    ("dy", "SKU009", "1.8m 床四件套 灰格", "含被套、床单、枕套两只", "draft"),
    ("dy", "SKU010", "加长瑜伽垫 8mm", "附收纳绑带", "text_review"),
    ("tm", "SKU011", "电热水壶 1.5L 奶白", "自动断电，宽口易清洗", "text_review"),
    ("jd", "SKU012", "充电款户外露营灯", "三档亮度，可挂可放", "images"),
    ("tm", "SKU007", "厨房硅胶铲勺 5 件套", "耐热手柄，挂孔收纳", "final_review"),
    ("tm", "SKU004", "最高级的儿童护脊书包", "分层收纳，反光条", "draft"),
    ("dy", "SKU014", "坚果礼盒 1kg 送礼最佳", "独立小包装", "draft"),
    ("jd", "SKU005", "半封闭猫砂盆 国家级高新技术企业出品", "可拆洗", "draft"),
)
_STOPPED: Final = ("tm", "SKU002", "316 不锈钢保温杯 500ml 源头直供", "一键开盖，杯口防漏")
_NEW_WORD: Final = {
    "term": "源头直供",
    "category": "false_promise",
    "severity": "block",
    "legal_basis": "广告法第二十八条",
    "suggestion": "写明产地或生产企业",
}
_REPLIES: Final = (
    (5, "tm", "亲，这款是全网最低价，放心拍", "亲，当前活动价以商品页面为准，支持价保"),
    (3, "dy", "用了绝对没有副作用哦", "成分请看详情页，敏感肤质建议先在手腕试用"),
    (1, "jd", "保证是最佳选择，错过后悔", "可以先看规格对比，有问题随时问我"),
)


def play(player: Player, set_clock: SetClock, now: datetime) -> None:
    """Live through the last week of texts; the clock stands at `now` afterwards."""
    worker = Worker(rpc=player.service.rpc, keyring=player.importer.keyring)
    set_clock(now - timedelta(days=21))
    jobs.announce(worker)
    for days, shop, wrong, right in _REPLIES:
        set_clock(now - timedelta(days=days))
        _reply(player, shop, number=days, texts=(wrong, right))
    set_clock(now - timedelta(days=4))
    _publish(player)
    set_clock(now - timedelta(days=1))
    _add_word(player, worker)
    set_clock(now - timedelta(hours=1))
    for text in _TEXTS:
        _write(player, *text)
    set_clock(now)


def _reply(player: Player, shop: str, *, number: int, texts: tuple[str, str]) -> None:
    """An agent's reply as it was typed and as it was sent."""
    for text in texts:
        found = player.shops[shop]
        subject = Subject(text, "reply", found.id, "reply", number, platform=found.platform)
        check(player.service.rpc, [subject])


def _publish(player: Player) -> None:
    """The text that was fine when it was published."""
    shop, sku, title, points = _STOPPED
    listing_id = _write(player, shop, sku, title, points, "final_review")
    commands.approve(player.person("M001"), [_ref(player, listing_id)], request_id=uuid.uuid4())
    commands.publish(player.person("Y001"), [_ref(player, listing_id)], request_id=uuid.uuid4())


def _add_word(player: Player, worker: Worker) -> None:
    """A platform's notice becomes a word; the re-check stops what has it."""
    author, manager = player.person("Y002"), player.person("M001")
    operation = Operation("word", "add", "平台通知：来源用语须可证明", dict(_NEW_WORD))
    proposal_id, version = commands.propose(author, "新增来源用语", [operation], request_id=uuid.uuid4())
    commands.try_proposal(author, proposal_id, version, request_id=uuid.uuid4())
    _work(worker)
    tried = reads.proposal(author, proposal_id)
    if tried is None:
        raise ValueError("the proposal of the demo is gone")
    version = commands.submit_proposal(author, proposal_id, tried.version, request_id=uuid.uuid4())
    commands.decide_proposal(manager, proposal_id, version, True, request_id=uuid.uuid4())
    _work(worker)


def _write(player: Player, shop: str, sku: str, title: str, points: str, station: str) -> int:
    """Write a text and bring it to its station."""
    author, reviewer = player.person("Y001"), player.person("Y002")
    draft = Draft(
        player.shops[shop].id,
        title,
        selling_points=points,
        description=f"{title}。{points}。尺寸为手工测量，请以实物为准。",
        sku=sku,
    )
    listing_id, version, _ = commands.save_listing(author, player.service, draft, request_id=uuid.uuid4())
    if station != "draft":
        commands.submit(author, [ListingRef(listing_id, version)], request_id=uuid.uuid4())
    if station in {"images", "final_review"}:
        commands.approve(reviewer, [_ref(player, listing_id)], request_id=uuid.uuid4())
    if station == "final_review":
        pictures = [f"https://img.example.com/{sku.lower()}.jpg"]
        commands.set_images(author, _ref(player, listing_id), pictures, request_id=uuid.uuid4())
    return listing_id


def _ref(player: Player, listing_id: int) -> ListingRef:
    found = reads.listing(player.person("Y001"), listing_id)
    if found is None:
        raise ValueError("a listing of the demo is gone")
    return ListingRef(listing_id, found.listing.version)


def _work(worker: Worker) -> None:
    """The worker's part, at the demo's time."""
    while jobs.run_once(worker, kinds=_KINDS):
        pass
