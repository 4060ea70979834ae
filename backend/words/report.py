"""From a judgement to what people read: the question to answer, the evidence to keep, the wording to use."""

# ruff: noqa: E501 -- word lists read better unbroken

from __future__ import annotations

import csv
import functools
import re
from typing import Final

from backend.words.conditions import Description, Rule
from backend.words.dictionary import Entry
from backend.words.fold import DATA, fold_text
from backend.words.models import Context, Notice, Severity

_QUESTIONS: Final = {
    "absolute": ("是否只与本店自己的商品比较，或是限定时间、地域且能证明的事实、奖项、分级？", "第三方证明或获奖、认定文件，写明时间、范围与来源"),
    "authority": ("是否有合同、证书或授权，且不是国家机关及其工作人员的名义？", "合同、证书或检测报告编号"),
    "trademark": ("是否只在讲解法律知识？", ""),
    "medical": ("商品是否为注册的药品、医疗器械，且与批准内容一致？", "注册证号或批准文号"),
    "health_food": ("是否为取得批文的保健食品，且在批准的功能范围内？", "保健食品批文（国食健注／备案号），并标注“本品不能代替药物”"),
    "cosmetics": ("功效是否已在该商品的注册或备案中？", "特殊化妆品注册证（国妆特字）或功效评价备案、检测报告"),
    "time_limit": ("活动起止时间或库存数量是否真实，并写在同一处？", "活动方案、库存记录"),
    "price_fraud": ("比较的价格是否真实存在，并写明依据？", "促销前七日最低成交价、标价签或结算记录"),
    "patent": ("专利是否已授权且仍有效？", "专利号、种类与缴费状态"),
    "data_citation": ("数据是否真实，并写明出处、时间与样本？", "报告编号、来源、统计时间与样本量"),
    "disparage": ("是否只陈述自家参数，不指向他人？", "对比测试报告"),
    "false_promise": ("承诺是否真实可兑现，条件是否写明？", "检测报告、条款或凭证"),
    "superstition": ("是否为品名或民俗介绍，不宣称效力？", ""),
    "platform": ("平台规则是否明文允许？", "平台规则页面或官方授权"),
    "finance": ("是否写明风险提示且不承诺收益？", "风险提示与产品说明"),
    "education": ("是否只说明课程内容与学时？", "协议条款"),
    "infant_alcohol_tobacco": ("", ""),
    "national_symbol": ("是否依法销售该物品本身？", "销售资质"),
    "vulgar": ("", ""),
}  # fmt: skip
_STATEMENT: Final = re.compile(r"不能(?:代替|替代)药[物品]|不可(?:代替|替代)药[物品]|不以提供治疗为目的")
_STATEMENT_MISSING: Final = Notice(
    "statement", "缺少必需的提示语“本品不能代替药物”", "广告法第十八条；食品安全法第七十三条"
)


@functools.cache
def _replacements() -> dict[str, str]:
    with (DATA / "rewrites.csv").open(encoding="utf-8", newline="") as file:
        return {fold_text(row["term"]): row["replacement"] for row in csv.DictReader(file)}


def _replacement(entry: Entry, severity: Severity, superlative: str) -> str | None:
    term = entry.term
    if severity != entry.severity:
        return None  # evidence or a licence allows it
    written = _replacements().get(fold_text(term))
    if written is not None:
        return written
    if severity == "warn":
        return None
    if superlative and entry.category == "absolute" and superlative != "measure":
        return term[1:] if len(term) > 2 else ""
    return ""


def describe(rule: Rule, severity: Severity) -> Description:
    """Return what every hit of a rule with this severity says."""
    entry = rule.entry
    question, evidence = _QUESTIONS.get(entry.category, ("", ""))
    reworded = _replacement(entry, severity, rule.superlative)
    return Description(
        entry.category, severity, entry.legal_basis, entry.suggestion, question, evidence, reworded
    )


def notices(text: str, context: Context) -> tuple[Notice, ...]:
    """Return what the text as a whole lacks. A title is too short for a statement, a reply is no
    advertisement."""
    if context.category != "health_food" or context.kind != "description" or _STATEMENT.search(text):
        return ()
    return (_STATEMENT_MISSING,)
