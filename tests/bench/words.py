"""The word check against raw matchers and a copy of memory: same texts, same run, in turns.

`python -m tests.bench.words [SCALE]` prints its own table. Texts are generated: sixty-character titles and
two-thousand-character descriptions from a shop's vocabulary and common words, one prohibited term in about 400 characters, every fifth
of them disguised. A list of N words is the first rows of the dictionary, filled up with generated words; our engine
applies its exceptions, context rules, disguises and offsets to them, the raw matchers look for the plain bytes.
CPU seconds are counted, the garbage collector is off, as timeit does it. Every call gets texts nobody has read
yet: Python keeps the UTF-8 that one matcher asked for, and the next would get it for nothing.
"""

# ruff: noqa: SIM905 -- word lists read better unbroken

from __future__ import annotations

import gc
import random
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import ahocorasick
import daachorse
import hyperscan

from backend.words import check_many, check_one
from backend.words.block import Block
from backend.words.compiled import compile_dictionary, compiled
from backend.words.dictionary import Dictionary, build, shipped
from backend.words.fold import common_words

Row = dict[str, Any]
SIZES = (409, 3_000, 60_000)
ROUNDS = 5
BATCH = 1_000
NOUNS = """
连衣裙 羊毛衫 保温杯 收纳箱 蓝牙耳机 充电宝 牛仔裤 运动鞋 双肩包 床单 枕头 四件套 炒锅 砧板 餐具 台灯 书桌
鼠标 键盘 手机壳 数据线 支架 雨伞 毛巾 拖鞋 袜子 围巾 手套 面膜 洗面奶 护手霜 牙刷 梳子 镜子 香薰 花瓶 地毯
窗帘 挂钩 水壶 饭盒 燕麦片 坚果 牛肉干 绿茶 咖啡 蜂蜜 饼干 大米 面条 猫粮 狗窝 玩具 绘本 拼图 积木 瑜伽垫
跳绳 帐篷
""".split()
WORDS = """
新款 夏季 秋冬 加厚 宽松 修身 纯棉 透气 便携 家用 办公室 学生 儿童 男士 女士 北欧 简约 复古 防水 耐磨 轻便
折叠 大容量 静音 无线 可调节 不锈钢 硅胶 竹木 陶瓷 加绒 长袖 短款 高腰 印花 条纹 米白 藏青 浅灰 均码 套装
礼盒 包邮 现货 批次 尺码 面料 做工 手感 颜色 款式 搭配 洗涤 晾晒 收纳 安装 说明书 发货 快递 签收 退换 客服
咨询 满意 喜欢 舒服 柔软 好看 实用 方便 干净 结实 厚实 细腻 清香 口感 新鲜 独立包装 保质期 净含量 配料 冷藏
冲泡 水温 容量 重量 尺寸 功率 电压 接口 续航 屏幕 音质 亮度 角度 材质 工艺 设计 细节 实拍 质感 日常 通勤
旅行 露营 运动 送礼 宿舍 厨房 卧室 客厅 阳台 浴室 车载 户外 一年四季 第一次 最近 购买 收到 打开 使用 清洗
保养 建议 注意 如果 可以 需要 我们 大家 这个 那款 比较 还是 而且 因为 所以 非常 真的 已经 没有 一点 两件
三种 四个 五月 USB XL PU 500ml 2025 T恤 iPhone
""".split()
SIGNS = ("，", "，", "。", " ", " ", "、", "！", "✨")


class Corpus(NamedTuple):
    """Generated texts, and what raw matchers get: the same texts joined by the thousand."""

    titles: list[str]
    descriptions: list[str]
    texts: list[str]
    joined: list[str]
    characters: int


def text_of(length: int, rng: random.Random, terms: list[str], common: list[str]) -> str:
    """Make one text of `length` characters."""
    parts: list[str] = []
    size = 0
    while size < length:
        kind = rng.random()
        part = rng.choice(NOUNS if kind < 0.15 else WORDS if kind < 0.6 else common)
        draw = rng.random()
        if draw < 0.22:
            part += rng.choice(SIGNS)
        elif draw < 0.226:
            term = rng.choice(terms)
            part += rng.choice((" ", "·", "*")).join(term) if rng.random() < 0.2 else term
        parts.append(part)
        size += len(part)
    return "".join(parts)[:length]


def corpus(scale: float = 1.0) -> Corpus:
    """Make the texts; `scale` 1.0 is about two million characters."""
    rng = random.Random(20261122)
    terms = [e.term for e in shipped().entries if e.match_kind == "exact"][:409]
    common = sorted(common_words())
    titles = [text_of(60, rng, terms, common) for _ in range(int(13_000 * scale))]
    descriptions = [text_of(2_000, rng, terms, common) for _ in range(int(620 * scale))]
    texts = [*titles, *descriptions]
    rng.shuffle(texts)
    joined = ["\n".join(texts[i : i + BATCH]) for i in range(0, len(texts), BATCH)]
    return Corpus(titles, descriptions, texts, joined, sum(map(len, texts)))


def dictionary_of(size: int) -> Dictionary:
    """Make a dictionary of `size` words with the shipped exceptions."""
    base = shipped()
    rng = random.Random(5)
    entries = [e for e in base.entries if e.match_kind == "exact"][:size]
    known = {e.term for e in entries}
    filler = entries[0]
    pool = sorted(common_words())
    while len(entries) < size:
        word = "".join(rng.choices(pool, k=2 if rng.random() < 0.85 else 3))
        if word not in known:
            known.add(word)
            entries.append(filler._replace(term=word, category="vulgar"))
    return build(entries, exceptions=base.exceptions)


def raw_hyperscan(words: list[str]) -> Callable[[str], object]:
    database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
    database.compile(
        expressions=[w.encode() for w in words],
        ids=list(range(len(words))),
        elements=len(words),
        flags=[0] * len(words),
        literal=True,
    )

    def find(text: str) -> list[tuple[int, int]]:
        """Return what was found, as a user of the matcher needs it: word and end, in bytes."""
        found: list[tuple[int, int]] = []
        add = found.append
        database.scan(text.encode(), match_event_handler=lambda word, _start, end, *_: add((word, end)))
        return found

    return find


def raw_daachorse(words: list[str]) -> Callable[[str], object]:
    kind = daachorse.MATCH_KIND_LEFTMOST_LONGEST
    return daachorse.CharwiseDoubleArrayAhoCorasick(words, kind).find  # type: ignore[no-any-return]


def raw_ahocorasick(words: list[str]) -> Callable[[str], object]:
    automaton = ahocorasick.Automaton()
    for word in words:
        automaton.add_word(word, word)
    automaton.make_automaton()
    return lambda text: list(automaton.iter_long(text))


Texts = list[str]
Work = tuple[Callable[[Texts], object], Texts]


def unread(texts: Texts) -> Texts:
    """Return copies of texts as they come from a file or the network."""
    return [text.encode("utf-16-le").decode("utf-16-le") for text in texts]


def cpu(work: Callable[[], object]) -> float:
    """Return the CPU seconds of one call."""
    begun = time.process_time()
    work()
    return time.process_time() - begun


def cpu_unread(work: Work) -> float:
    """Return the CPU seconds of one call with copies of its texts."""
    check, texts = work
    fresh = unread(texts)
    return cpu(lambda: check(fresh))


def in_turns(works: dict[str, Work]) -> dict[str, float]:
    """Return the median CPU seconds of each, called in turns after one call of each to warm up."""
    for work in works.values():
        cpu_unread(work)
    gc.collect()
    gc.disable()
    try:
        rounds = [{name: cpu_unread(work) for name, work in works.items()} for _ in range(ROUNDS)]
    finally:
        gc.enable()
    return {name: statistics.median(r[name] for r in rounds) for name in works}


def each(work: Callable[[str], object]) -> Callable[[Texts], object]:
    """Return the work done for each of some texts."""
    return lambda texts: [work(text) for text in texts]


def row(name: str, ours: float, other: float, goal: str, met: bool | None, unit: str) -> Row:
    """Make one line of the table; `met` None is a figure without a goal."""
    return {
        "name": name,
        "ours": round(ours, 3),
        "other": round(other, 3),
        "unit": unit,
        "ratio": round(ours / other, 3),
        "goal": goal,
        "met": True if met is None else met,
    }


def throughput(size: int, given: Corpus) -> tuple[list[Row], float]:
    """W1 for one size: the full check and our bare scan against the raw matchers; and our characters per second."""
    dictionary = dictionary_of(size)
    words = [e.term for e in dictionary.entries]
    table = compiled(dictionary)
    hyper, daac, aho = raw_hyperscan(words), raw_daachorse(words), raw_ahocorasick(words)
    part = given.joined[: max(1, len(given.joined) // 8)]
    share = sum(map(len, part)) / sum(map(len, given.joined))
    took = in_turns(
        {
            "full": (lambda texts: check_many(texts, dictionary=dictionary), given.texts),
            "scan": (each(lambda text: table.scan(Block(text, table).kept)), given.joined),
            "hyperscan": (each(hyper), given.joined),
            "daachorse": (each(daac), given.joined),
            "pyahocorasick": (each(aho), part),
            "memory": (each(lambda text: bytes(bytearray(text.encode("utf-8")))), given.joined),
        }
    )
    took["pyahocorasick"] /= share
    speed = {name: given.characters / seconds / 1e6 for name, seconds in took.items()}
    if size <= 409:
        pattern = re.compile("|".join(map(re.escape, sorted(words, key=len, reverse=True))))
        speed["re"] = given.characters * share / cpu(lambda: [pattern.findall(text) for text in part]) / 1e6
    fastest = max(speed["hyperscan"], speed["daachorse"])
    ratio = speed["full"] / fastest
    rows = [
        row(
            f"W1 full check, {size} words, against the fastest raw matcher (each collects its matches)",
            speed["full"],
            fastest,
            "≥ 0.35",
            ratio >= 0.35,
            "Mc/s",
        )
    ]
    for name in ("scan", "hyperscan", "daachorse", "pyahocorasick", "re", "memory"):
        if name in speed:
            rows.append(
                row(
                    f"   full check, {size} words, against {name}",
                    speed["full"],
                    speed[name],
                    "–",
                    None,
                    "Mc/s",
                )
            )
    return rows, speed["full"]


def p50(work: Callable[[str], object], texts: list[str]) -> float:
    """Return the median microseconds of one call over texts."""
    for text in unread(texts[:200]):
        work(text)
    fresh = unread(texts)
    gc.disable()
    try:
        return statistics.median(cpu_ns(work, text) for text in fresh) / 1e3
    finally:
        gc.enable()


def cpu_ns(work: Callable[[str], object], text: str) -> int:
    begun = time.process_time_ns()
    work(text)
    return time.process_time_ns() - begun


def latency(given: Corpus) -> list[Row]:
    """W2: one title, one description, with 409 words and with the whole shipped dictionary."""
    dictionary = dictionary_of(409)
    find = raw_daachorse([e.term for e in dictionary.entries])
    titles, descriptions = given.titles[:3_000], given.descriptions[:300]
    title = p50(lambda text: check_one(text, dictionary=dictionary), titles)
    long, raw = [], []
    for _ in range(ROUNDS):
        long.append(p50(lambda text: check_one(text, dictionary=dictionary), descriptions))
        raw.append(p50(find, descriptions))
    ours, other = statistics.median(long), statistics.median(raw)
    whole = p50(check_one, titles)
    return [
        row("W2 one title of 60 characters, p50", title, 15.0, "≤ 15 µs", title <= 15, "µs"),
        row("   one title, shipped dictionary, p50", whole, 15.0, "–", None, "µs"),
        row("W2 one description of 2,000 against raw daachorse", ours, other, "≤ 5", ours / other <= 5, "µs"),
    ]


_MEMORY = """
import sys, psutil
from tests.bench.words import dictionary_of
from backend.words.compiled import compile_dictionary
dictionary = dictionary_of(int(sys.argv[1]))
before = psutil.Process().memory_info().rss
table = compile_dictionary(dictionary)
print((psutil.Process().memory_info().rss - before) / 1e6)
"""


def scaling(small: float, large: float) -> list[Row]:
    """W3: throughput at 60,000 words against 409, time to compile, memory of what was compiled."""
    dictionary = dictionary_of(SIZES[-1])
    compile_dictionary(dictionary_of(409))
    seconds = statistics.median(cpu(lambda: compile_dictionary(dictionary)) for _ in range(3))
    told = subprocess.run(
        [sys.executable, "-c", _MEMORY, str(SIZES[-1])], check=True, capture_output=True, text=True
    ).stdout
    megabytes = float(told)
    return [
        row("W3 throughput at 60,000 words against 409", large, small, "≥ 0.3", large / small >= 0.3, "Mc/s"),
        row("W3 compiling 60,000 words", seconds, 1.5, "≤ 1.5 s", seconds <= 1.5, "s"),
        row("W3 memory of 60,000 words", megabytes, 50.0, "≤ 50 MB", megabytes <= 50, "MB"),
    ]


def rows(scale: float = 1.0) -> list[Row]:
    """Measure everything and return the lines of the table."""
    given = corpus(scale)
    found: list[Row] = []
    speeds: dict[int, float] = {}
    for size in SIZES:
        lines, speeds[size] = throughput(size, given)
        found += lines
    return found + latency(given) + scaling(speeds[SIZES[0]], speeds[SIZES[-1]])


if __name__ == "__main__":
    for line in rows(float(sys.argv[1]) if len(sys.argv) > 1 else 1.0):
        mark = "met " if line["met"] else "MISS"
        print(
            f"{mark} {line['ratio']:>9.3f}  {line['ours']:>10} / {line['other']:>10} {line['unit']:<5} {line['name']} ({line['goal']})"
        )
