"""Signals: words whose absence proves that a general rule cannot apply.

The general rules (`rules.py`) read the sentence around a hit, which costs more than finding it. Each of their regular
expressions needs one of the words below. They are needles like any other, found in the same scan; a hit with none of
them near is judged by its own conditions alone. `tests/unit/test_words_engine.py` holds the short way to the long one.
"""

from __future__ import annotations

from typing import Final

MENTION: Final = "mention"
AIM: Final = "aim"
EVIDENCE: Final = "evidence"
REACH: Final = {MENTION: 52, AIM: 52, EVIDENCE: 124}
"""How far from a hit, in code points, a signal counts; not less than the window its rules read."""

SIGNALS: Final[dict[str, tuple[str, ...]]] = {
    MENTION: tuple(
        "广告法 违禁词 极限词 禁用词 敏感词 绝对化 违规 不得 禁止使用 不能 不要使用 不可 不要写 避免 字样 等词 用语 表述 改成 改为 替换 换成 虚假宣传 话术培训 合规"
        " 违法 违反 是骗 不可信 是假的 无法保证 我们不 不敢保证 不支持 允许 不存在 做不到 1律封 会被 将被 处罚 负责"
        " 有限公司 股份公司 股份有限 集团 有限责任 事务所 合作社 基金会 研究院 研究所 学会 出版社 大学 幼儿园 俱乐部 剧院 影院 期刊 杂志 牌注册商标".split()
    ),
    AIM: tuple(
        "追求 力求 力争 争取 努力 致力 立志 目标 愿景 梦想 争做 争当 争创 想成为 理念 宗旨 初心 价值观 企业文化 使命 己任 希望 没有最 尽可能 期望 尽力"
        " 什么 是不是 是否 有没有 请问 会不会 怎么 如何 几号 您觉得 你觉得 您认为 对您来说 您平时 您最 你最 您方便 哪个 哪款 哪种 哪1 哪家 哪里 哪位 哪些"
        " 系列 品牌 历代 自家 代 本店 店内 店里 小店 旗下 家族 全系 我家 咱家 我们 公司 我司 往年 历年 今年 本季 迄今 款中 款里 型号 产品线 版本 机型 几款".split()
    ),
    EVIDENCE: tuple(
        "来源 统计 数据 报告 榜 监测 调研 证明 发布 证书 证号 注册号 登记号 备案 认证号 文号 批准号 编号 参谋 欧睿 尼尔森 弗若斯特 沙利文 艾瑞 国妆特"
        " 国食健 械注 械备 国药准 药准字 械字 药监械 特殊化妆品 妆特 卫食健 蓝帽 食健备 授权 合同 世界纪录 截至 统计局 cma cnas 可查 认定 授予 评为 荣获 获得 获评 斩获 摘得 获颁 颁发 入选"
        " 评选 奖 获奖 称号 届 zl gb 销量 销售 排名 市场 类目 品类 出货".split()
    ),
}
