"""The sheets of one line a record: which columns they have, how each is read, what makes a line unique.

Header spellings: agent performance from public copies of genuine exports (two versions); chats are our own
template; the others are the words of the platforms' pages, and whatever else comes is mapped once (字段对应).
"""

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from backend.imports import cells as read
from backend.imports.platforms import lead_cells as lead
from backend.imports.platforms import sheet_cells as sheet
from backend.imports.records import Kind

Reader = Callable[[str], Any]
TIME: Final = "time"  # read with the clock of the file's zone

_TYPES = {
    "exchange": "换货 exchange",
    "repair": "维修 返修 保修 repair",
    "reship": "补寄 补发 少件 reship",
    "price_protection": "价保 保价 priceprotection",
    "return": "退货 退换 return",
    "refund_only": "仅退款 退款 未发货 refund",
}
# What a platform's word says about the way of a case, the first that fits. 拒绝: the buyer may still appeal.
_STAGES = {
    "cancelled": "撤销 取消 关闭 cancelled",
    "done": "退款成功 退款完成 已退款 已完成 完成 成功 已完结 已换货 done",
    "refused": "拒绝 驳回 审核不通过",
    "received": "已收货 待退款 退款中 商家已收 卖家已收 待处理退款 received",
    "goods_sent": "待商家收货 等待卖家确认收货 待卖家收货 已退货 买家已退 客户已发 退货中 待收货 returning",
    "agreed": "等待买家退货 待买家退货 待买家发货 待客户发货 待退货 待寄回 同意 toreturn",
    "applied": "等待卖家处理 等待卖家同意 待商家处理 待卖家处理 待审核 待处理 申请 审核 处理中 协商 pending",
}
_GRADES = {
    "5": "5 5星 五星 非常满意 很满意 非常好",
    "4": "4 4星 四星 满意 好评 好",
    "3": "3 3星 三星 一般 中评",
    "2": "2 2星 二星 不满意 差",
    "1": "1 1星 一星 非常不满意 很不满意 差评",
}
_SATISFIED = {
    "very_satisfied": "5 非常满意 很满意",
    "satisfied": "4 满意",
    "neutral": "3 一般",
    "dissatisfied": "2 不满意",
    "very_dissatisfied": "1 非常不满意 很不满意",
}
_SENDERS = {
    "buyer": "买家 客户 顾客 buyer customer",
    "agent": "客服 人工 人工客服 agent",
    "auto": "自动回复 自动 auto",
    "robot": "机器人 智能客服 robot bot",
    "system": "系统 系统消息 system",
}
_CONSULTS = {
    "presales": "售前 售前咨询 presales",
    "aftersales": "售后 售后咨询 aftersales",
    "other": "其他 其它 other",
}
_YES = {"yes": "是 已付款 y yes true 1", "no": "否 未付款 n no false 0"}
_LEVELS = {
    "high": "高 强 强烈 high",
    "medium": "中 一般 medium",
    "low": "低 弱 low",
    "unknown": "未知 不详 unknown",
}
_BUDGETS = {
    "high": "高 充足 high",
    "enough": "够 中 适中 enough",
    "low": "低 不足 low",
    "unknown": "未知 不详 unknown",
}
_SOURCES = {
    "asked_unpaid": "询单未付 unpaid",
    "live": "直播 直播间 直播留资 live",
    "enterprise": "企业购 企业采购 enterprise",
    "form": "表单 落地页 form",
    "campaign": "活动 大促 广告 campaign",
    "order": "订单 老客 order",
    "chat": "聊天 咨询 旺旺 咚咚 飞鸽 客服 企业微信 企微 私域 chat",
    "other": "其他 其它 转介绍 other",
}


class Column(NamedTuple):
    """A field of a sheet: its name for people, the reader of its cells, the headers it may have."""

    name: str
    zh: str
    en: str
    reader: Reader | str
    headers: str = ""
    required: bool = False

    def spellings(self) -> tuple[str, ...]:
        """All headers of the field, ours first."""
        return tuple(dict.fromkeys((self.zh, *self.headers.split())))


class SheetLayout(NamedTuple):
    """One kind of sheet. `keys`: the fields that make a line one and the same in the next file; the first of
    them whose fields are all there count, else the last. `marks`, `needed`: headers that recognise it."""

    name: str
    kind: Kind
    columns: tuple[Column, ...]
    keys: tuple[tuple[str, ...], ...]
    marks: tuple[str, ...]
    needed: int
    shop_platform: str = ""


_REFUND = (
    Column(
        "platform_ref",
        "售后编号",
        "After-sales number",
        read.ident,
        "退款编号 售后单号 服务单号 退款单号",
        True,
    ),
    Column("order_no", "订单号", "Order number", read.ident, "订单编号 主订单编号 平台订单号 父订单号", True),
    Column(
        "type",
        "售后类型",
        "Type",
        sheet.has(_TYPES, "aftersales_type"),
        "退款类型 服务类型 申请类型 售后方式",
    ),
    Column(
        "stage",
        "售后状态",
        "State",
        sheet.has(_STAGES, "aftersales_stage"),
        "退款状态 服务单状态 处理状态",
        True,
    ),
    Column("status", "平台状态", "Platform's words", sheet.words, "售后状态 退款状态 服务单状态 处理状态"),
    Column("reason", "售后原因", "Reason", sheet.words, "退款原因 申请原因 问题描述 买家退款说明 售后说明"),
    Column(
        "amount", "退款金额", "Refund amount", read.money, "买家退款金额 申请退款金额 退款总额 退款金额(元)"
    ),
    Column("applied_at", "申请时间", "Applied at", TIME, "退款申请时间 售后申请时间 退款的申请时间"),
    Column(
        "due_at", "超时时间", "Platform deadline", TIME, "处理截止时间 截止时间 逾期时间 商家处理截止时间"
    ),
    Column("sku", "商品编码", "Product code", read.sku, "商家编码 SKU编码 商品编号 货号"),
    Column(
        "buyer_account", "买家账号", "Buyer account", sheet.account, "买家会员名 买家昵称 客户账号 客户帐号"
    ),
    Column("carrier", "退货物流公司", "Return carrier", sheet.words, "退货快递公司"),
    Column("tracking_no", "退货物流单号", "Return tracking number", read.ident, "退货快递单号 退货运单号"),
    Column("finished_at", "完结时间", "Finished at", TIME, "退款完结时间 完成时间 退款成功时间"),
)
_FIGURES = (
    Column("agent", "客服昵称", "Agent", sheet.account, "旺旺昵称 客服 客服账号 客服姓名", True),
    Column("day", "日期", "Day", TIME, "统计日期 数据日期"),
    Column("asked", "咨询人数", "Buyers who asked", read.count, "聊天人数(原咨询人数) 聊天人数"),
    Column("received", "接待人数", "Buyers received", read.count),
    Column("unreplied", "未回复人数", "Buyers without an answer", read.count),
    Column("effective", "有效接待人数", "Buyers really received", read.count),
    Column("buyer_messages", "买家消息数", "Messages of buyers", read.count),
    Column("agent_messages", "客服消息数", "Messages of the agent", read.count),
    Column(
        "first_seconds", "首次响应(秒)", "First answer (seconds)", sheet.seconds, "首次响应时长(秒) 首响(秒)"
    ),
    Column(
        "reply_seconds", "平均响应(秒)", "Mean answer (seconds)", sheet.seconds, "平均响应时长(秒) 平响(秒)"
    ),
    Column("slow", "慢响应人数", "Buyers answered late", read.count, "慢接待人数"),
    Column("inquiries", "询单人数", "Buyers before an order", read.count),
    Column("paid_buyers", "付款人数", "Buyers who paid", read.count, "询单付款人数"),
    Column("sold_buyers", "销售人数", "Buyers sold to", read.count),
    Column("sold_amount", "销售额", "Sales", read.money, "销售金额"),
    Column("online_minutes", "登录时长", "Online", sheet.online, "在线时长 登录时长(小时) 在线时长(小时)"),
    Column("rated", "评价数", "Ratings", read.count, "收到评价数 评价人数"),
    Column("satisfied", "满意数", "Satisfied ratings", read.count, "满意评价数 满意人数"),
)
_RATINGS = (
    Column("ref", "评价ID", "Rating id", read.ident, "评价编号 评论ID"),
    Column("order_no", "订单号", "Order number", read.ident, "订单编号 主订单编号"),
    Column(
        "rating",
        "评分",
        "Rating",
        sheet.chosen(_GRADES, "rating"),
        "星级 评价星级 评价等级 评价",
    ),
    Column("level", "满意度", "Satisfaction", sheet.chosen(_SATISFIED, "rating"), "服务满意度 客服满意度"),
    Column("text", "评价内容", "Words", sheet.words, "评论内容 评价详情 追评内容"),
    Column("rated_at", "评价时间", "Rated at", TIME, "评论时间 创建时间", True),
    Column("agent", "客服", "Agent", sheet.account, "客服昵称 客服账号 接待客服"),
)
_VISITS = (
    Column("day", "日期", "Day", TIME, "统计日期 数据日期", True),
    Column("visitors", "访客数", "Visitors", read.count, "访客人数 访客数(UV) UV 商品访客数", True),
    Column("views", "浏览量", "Page views", read.count, "浏览量(PV) PV 商品浏览量"),
)
_MESSAGES = (
    Column("message_id", "消息ID", "Message id", read.ident, "消息编号", True),
    Column("session_id", "会话ID", "Session id", read.ident, "会话编号", True),
    Column("agent", "客服", "Agent", sheet.account, "客服昵称 客服账号"),
    Column("buyer", "买家", "Buyer", sheet.account, "买家账号 买家昵称 顾客", True),
    Column("consult", "咨询类型", "Kind of question", sheet.chosen(_CONSULTS, "consult")),
    Column("sender", "发送方", "Sender", sheet.chosen(_SENDERS, "sender"), "发送者", True),
    Column("sent_at", "发送时间", "Sent at", TIME, "消息时间", True),
)
_SESSIONS = (
    Column("session_id", "会话ID", "Session id", read.ident, "会话编号", True),
    Column("agent", "客服", "Agent", sheet.account, "客服昵称 客服账号"),
    Column("buyer", "买家", "Buyer", sheet.account, "买家账号 买家昵称 顾客", True),
    Column("consult", "咨询类型", "Kind of question", sheet.chosen(_CONSULTS, "consult")),
    Column("rating", "评价", "Rating", sheet.chosen(_GRADES, "rating"), "满意度 评分"),
    Column("paid", "是否付款", "Paid", sheet.chosen(_YES, "yes_no")),
    Column("paid_amount", "付款金额", "Amount paid", read.money, "支付金额"),
)
_LEADS = (
    Column("name", "客户姓名", "Name", sheet.account, "姓名 昵称 客户 客户昵称 联系人 称呼"),
    Column("phone", "手机号", "Phone", lead.phone, "手机 电话 联系电话 联系方式"),
    Column("wechat", "微信号", "WeChat", lead.wechat, "微信 微信ID"),
    Column("email", "邮箱", "E-mail", lead.email, "电子邮箱 邮件 email"),
    Column(
        "buyer_account",
        "买家账号",
        "Buyer account",
        sheet.account,
        "旺旺 旺旺名 会员名 买家昵称 抖音昵称 买家会员名",
    ),
    Column("needs", "需求标签", "Needs", sheet.tags, "需求 意向商品 感兴趣商品 咨询商品 需求说明", True),
    Column("source", "线索来源", "Source", lead.source(_SOURCES), "来源 渠道 来源渠道"),
    Column("intent", "意向", "Intent", sheet.chosen(_LEVELS, "level"), "意向度 意向等级 购买意向"),
    Column("budget", "预算", "Budget", sheet.chosen(_BUDGETS, "level"), "预算情况"),
    Column("asked_at", "咨询时间", "Asked at", TIME, "留资时间 提交时间 创建时间 获取时间"),
    Column("note", "备注", "Remark", sheet.words, "说明 客户备注 跟进备注"),
)

_WHO = ("name", "phone", "wechat", "email", "buyer_account", "asked_at")

SHEETS: Final = (
    SheetLayout(
        "taobao_refunds",
        "aftersales",
        _REFUND,
        (("platform_ref",),),
        ("退款编号", "退款状态", "退款类型", "退款金额", "退款申请时间", "退款原因", "买家退款金额"),
        2,
        "taobao",
    ),
    SheetLayout(
        "jd_service",
        "aftersales",
        _REFUND,
        (("platform_ref",),),
        ("服务单号", "服务单状态", "服务类型", "申请时间", "问题描述"),
        2,
        "jd",
    ),
    SheetLayout(
        "douyin_aftersales",
        "aftersales",
        _REFUND,
        (("platform_ref",),),
        ("售后单号", "售后状态", "售后类型", "售后申请时间", "售后原因"),
        2,
        "douyin",
    ),
    SheetLayout(
        "aftersales", "aftersales", _REFUND, (("platform_ref",),), ("售后编号", "售后状态", "售后类型"), 2
    ),
    SheetLayout(
        "performance",
        "performance",
        _FIGURES,
        (("day", "agent"),),
        (
            "客服昵称",
            "旺旺昵称",
            "接待人数",
            "咨询人数",
            "聊天人数(原咨询人数)",
            "未回复人数",
            "平均响应(秒)",
            "平均响应时长(秒)",
            "首次响应(秒)",
            "答问比",
            "登录时长",
            "询单人数",
        ),
        3,
    ),
    SheetLayout(
        "reviews",
        "reviews",
        _RATINGS,
        (("ref",), ("order_no", "rated_at"), ("rated_at", "rating", "level", "agent", "text")),
        ("评价时间", "评价内容", "评分", "星级", "评价ID", "评价星级"),
        2,
    ),
    SheetLayout(
        "traffic",
        "traffic",
        _VISITS,
        (("day",),),
        ("访客数", "浏览量", "访客数(UV)", "浏览量(PV)", "访客人数"),
        1,
    ),
    SheetLayout(
        "chat_messages", "chats", _MESSAGES, (("message_id",),), ("消息ID", "会话ID", "发送方", "发送时间"), 3
    ),
    SheetLayout(
        "chat_sessions",
        "chats",
        _SESSIONS,
        (("session_id",),),
        ("会话ID", "咨询类型", "是否付款", "付款金额", "评价"),
        2,
    ),
    SheetLayout(
        "leads",
        "leads",
        _LEADS,
        (_WHO,),
        (
            "需求标签",
            "线索来源",
            "意向",
            "意向度",
            "咨询时间",
            "微信号",
            "客户姓名",
            "预算",
            "需求",
            "留资时间",
            "昵称",
            "姓名",
            "客户昵称",
            "意向商品",
        ),
        2,
    ),
)
_BY_NAME: Final[Mapping[str, SheetLayout]] = {one.name: one for one in SHEETS}
# The sheet whose fields a mapping offers, and whose headers a template has.
BASES: Final[Mapping[str, str]] = {
    "aftersales": "aftersales",
    "performance": "performance",
    "reviews": "reviews",
    "traffic": "traffic",
    "chats": "chat_messages",
    "leads": "leads",
}


def sheet_layout(name: str) -> SheetLayout:
    """The sheet of a layout's name. Raises KeyError."""
    return _BY_NAME[name]
