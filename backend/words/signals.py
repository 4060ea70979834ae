"""Signals: words whose absence proves that a general rule cannot apply.

The general rules (`rules.py`) read the sentence around a hit, which costs more than finding it. Each of their regular
expressions needs one of the words below. They are found in the same scan as the terms; a hit with none of them near is judged by its own conditions alone. `tests/unit/test_words_engine.py` holds the short way to the long one.
"""

from __future__ import annotations

from typing import Final

MENTION: Final = "mention"
SELF: Final = "self"
EVIDENCE: Final = "evidence"
REACH: Final = {MENTION: 60, SELF: 60, EVIDENCE: 124}
"""How far from a hit, in code points, a signal counts; not less than the window its rules read."""

SIGNALS: Final[dict[str, tuple[str, ...]]] = {
    MENTION: tuple(
        "广告法 违禁词 极限词 禁用词 敏感词 绝对化用语 违规词 是违规 不得出现 不得使用 禁止使用 不能出现 不能使用 不要使用 不可使用 不要写 不能写 不能说 不可以写 不可以说"
        " 避免使用 避免出现 字样 等词 等用语 等表述 改成 改为 替换成 替换为 换成 虚假宣传 话术培训 合规培训".split()
    ),
    SELF: tuple(
        "同系列 本系列 该系列 全系列 系列中 系列里 系列产品中 同品牌 本品牌 品牌历 历代 自家 上1代 前代 前几代 本店 店内 店里 小店 旗下 家族 全系 我家 咱家 我们家 我们店 本公司"
        " 我司 公司内 公司里 公司历 我们目前 我们现有 我们所有 我们历 品牌目前 品牌现有 品牌所有 往年 历年 今年 本季 迄今 款中 款里 型号中 型号里 产品线 各版本 机型中 上代 几款".split()
    ),
    EVIDENCE: tuple(
        "来源 资料来源 据 报告 证书 证号 注册号 登记号 备案号 备案编号 认证号 文号 批准号 编号 榜单 排行榜 生意参谋 欧睿 尼尔森 弗若斯特 沙利文 艾瑞 国妆特 国食健 械注 械备"
        " 国药准 药准字 械字 药监械 特殊化妆品 妆特 卫食健 蓝帽 食健备 zl gb 授权书 合同 世界纪录 截至 统计时间 统计周期 统计区间 统计范围 统计口径 协会发布 统计局 海关数据 cma cnas"
        " 198 199 200 201 202 203 授权编号 可查 认定 授予 评为 荣获 获得 斩获 摘得 获评 获颁 颁发 入选 评选 奖 称号 第0 第1 第2 第3 第4 第5 第6 第7 第8 第9 注册商标 商标".split()
    ),
}
