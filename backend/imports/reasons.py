"""Why a file or a line was refused: what is wrong, and what to do about it. Never a personal value."""

from collections.abc import Mapping

from backend.imports.records import Params

# key -> (zh-CN, en). A test calls every key with the parameters that the code gives it.
REASONS: Mapping[str, tuple[str, str]] = {
    # the whole file
    "file_empty": (
        "文件是空的。请在平台后台重新导出后再上传。",
        "The file is empty. Export it again from the platform and upload it.",
    ),
    "file_no_header": (
        "没有找到表头行。请上传平台导出的原始文件，第一行应是列名。",
        "No header row was found. Upload the file as the platform "
        "exported it, with column names in the first row.",
    ),
    "file_no_rows": (
        "文件只有表头，没有数据。请检查导出时选择的时间和状态范围。",
        "The file has a header but no data. Check the period and status chosen for the export.",
    ),
    "file_large": (
        "文件超过 {limit} MB。请按日期拆成几个文件分别导入。",
        "The file is larger than {limit} MB. Export shorter periods and import the files one by one.",
    ),
    "rows_many": (
        "数据超过 {limit} 行。请按日期拆成几个文件分别导入。",
        "The file has more than {limit} data rows. Export shorter periods and import the files one by one.",
    ),
    "columns_many": (
        "第 {line} 行超过 {limit} 列。请删除多余的列，或重新导出。",
        "Row {line} has more than {limit} columns. Delete the surplus columns or export the file again.",
    ),
    "cell_long": (
        "第 {line} 行有单元格超过 {limit} 个字符，通常是引号没有成对。请重新导出。",
        "A cell in row {line} has more than {limit} characters, "
        "usually an unpaired quote. Export the file again.",
    ),
    "quote_open": (
        "从第 {line} 行起有一个引号没有结束，后面的内容无法分行。请补上引号，或重新导出。",
        "A quote opened in row {line} is never closed, so the "
        "rest cannot be split. Close it or export again.",
    ),
    "nul_bytes": (
        "文件含有空字符，不是完整的文本表格。请重新导出，或用 Excel 另存为“CSV UTF-8”。",
        "The file holds NUL characters and is no proper text table. Export again or save it as “CSV UTF-8”.",
    ),
    "encoding_damaged": (
        "第 {line} 行的文字已损坏（不是有效的 UTF-8）。请重新导出，不要用记事本转存。",
        "The text of row {line} is damaged (not valid UTF-8). Export the file again and do not re-save it.",
    ),
    "encoding_unknown": (
        "无法识别文字编码（第 {line} 行）。请用 Excel 另存为“CSV UTF-8”后再上传。",
        "The text encoding is not recognised (row {line}). Save the file as “CSV UTF-8” and upload it again.",
    ),
    "workbook_old": (
        "这是旧版 Excel（.xls）文件。请用 Excel 或 WPS 打开，另存为 .xlsx 后再上传。",
        "This is an old Excel file (.xls). Open it, save it as .xlsx, and upload that file.",
    ),
    "workbook_locked": (
        "工作簿有密码保护。请取消密码后另存再上传。",
        "The workbook is protected by a password. Remove the password, save, and upload it again.",
    ),
    "workbook_binary": (
        "这是二进制工作簿（.xlsb）。请另存为 .xlsx 后再上传。",
        "This is a binary workbook (.xlsb). Save it as .xlsx and upload that file.",
    ),
    "workbook_damaged": (
        "工作簿已损坏或不完整，无法打开。请重新下载或导出后再上传。",
        "The workbook is damaged or incomplete. Download or export it again.",
    ),
    "workbook_hostile": (
        "工作簿含有不允许的内容（文档类型声明）。请用 Excel 打开后另存为 .xlsx 再上传。",
        "The workbook has forbidden content (a document type). "
        "Open it in Excel, save it as .xlsx, upload that.",
    ),
    "zip_bomb": (
        "压缩内容解开后过大，已拒绝。请按日期拆分，或导出为 CSV。",
        "The packed content is far too large and was refused. Export a shorter period, or export as CSV.",
    ),
    "zip_other": (
        "这是压缩包，不是 Excel 工作簿。请先解压，再上传里面的 .csv 或 .xlsx。",
        "This is a zip archive, not a workbook. Unpack it and upload the .csv or .xlsx inside.",
    ),
    "web_page": (
        "这个文件（{ending}）其实是网页，不是表格。请用 Excel 打开，另存为 .xlsx 后再上传。",
        "This file ({ending}) is really a web page. Open it in "
        "Excel, save it as .xlsx, and upload that file.",
    ),
    "not_a_table": (
        "这不是表格文件。请上传平台导出的 .csv 或 .xlsx。",
        "This is not a table. Upload the .csv or .xlsx that the platform exported.",
    ),
    "headers_unknown": (
        "不认识这个文件的列名（共 {count} 列）。请在“字段对应”里指定各列的含义，下次会自动沿用。",
        "The headers of this file are unknown ({count} columns). Map them once; the mapping is remembered.",
    ),
    "headers_doubled": (
        "列名重复：{columns}。无法判断以哪一列为准，请删除多余的一列，或在“字段对应”里指定。",
        "These headers come twice: {columns}. Delete one of the "
        "columns, or choose one in the column mapping.",
    ),
    "columns_missing": (
        "缺少列：{columns}。请在导出时勾选这些字段后重新导出。",
        "Missing columns: {columns}. Export the file again with these fields included.",
    ),
    "kind_other": (
        "这是另一种文件（识别为 {found}，需要 {wanted}）。请到对应的导入里上传。",
        "This is another kind of file (recognised: {found}, wanted: "
        "{wanted}). Upload it in the matching import.",
    ),
    "platform_other": (
        "列名属于 {found}，与所选平台 {wanted} 不符。请换一家店铺，或让系统自动识别平台。",
        "The headers belong to {found}, not to the chosen platform "
        "{wanted}. Choose another shop or detection.",
    ),
    "mapping_kind": (
        "不支持的文件种类：{kind}。请在列表里选择一种。",
        "Unknown kind of file: {kind}. Choose one of the list.",
    ),
    "mapping_field": (
        "字段对应里有不认识的字段：{field}。请重新选择。",
        "The column mapping names an unknown field: {field}. Choose again.",
    ),
    "mapping_twice": (
        "同一列被对应到两个字段：{column}。请为其中一个另选一列。",
        "One column is mapped to two fields: {column}. Choose another column for one of them.",
    ),
    "mapping_missing": (
        "这些必填字段还没有对应的列：{columns}。请选择对应的列。",
        "These required fields have no column yet: {columns}. Choose a column for each.",
    ),
    "mapping_stale": (
        "文件里没有已保存的字段对应所用的列：{columns}。请重新对应。",
        "The file does not have the columns of the saved mapping: {columns}. Map the columns again.",
    ),
    # one line
    "ragged": (
        "这一行有 {found} 格，表头有 {expected} 格。可能是内容里的逗号没有加引号，请改正后重新导入这一行。",
        "This row has {found} cells, the header has {expected}. A comma may lack quotes; correct the row.",
    ),
    "quote_lines": (
        "从这一行到第 {last} 行被一个引号连成了一格。请补上引号后重新导入这些行。",
        "A quote joins this row and all rows up to {last}. Close the quote and import these rows again.",
    ),
    "required": (
        "这一格不能为空。请补上后重新导入这一行。",
        "This cell must not be blank. Fill it in and import the row again.",
    ),
    "id_scientific": (
        "编号变成了科学记数（如 1.23E+18），末尾数字已经丢失。"
        "请重新导出，按文本或 CSV 保存，不要用 Excel 打开再存。",
        "The number is in scientific form (like 1.23E+18) and has lost digits. Export as text or CSV again, "
        "and do not save it from Excel.",
    ),
    "id_lost_digits": (
        "编号第 15 位之后全是 0，末尾数字已被 Excel 丢掉。请重新导出为文本或 CSV，不要用 Excel 打开再存。",
        "All digits after the 15th are 0: Excel has dropped them. Export as text or CSV again, "
        "and do not save it from Excel.",
    ),
    "id_decimal": (
        "编号带小数点，可能已被改动。请按文本重新导出。",
        "The number has a decimal point and may have been changed. Export it as text again.",
    ),
    "id_formula": (
        "编号是公式，没有可用的值。请把该列粘贴为数值后重新导入。",
        "The number is a formula without a value. Paste the column as values and import the row again.",
    ),
    "id_form": (
        "编号含有不允许的字符。请核对这一格，改正后重新导入这一行。",
        "The number has signs that no number has. Check the cell and import the row again.",
    ),
    "text_long": (
        "内容超过 {limit} 个字符。请缩短后重新导入这一行。",
        "The text has more than {limit} characters. Shorten it and import the row again.",
    ),
    "amount": (
        "金额无法识别（不能是负数、空值文字或科学记数）。请改成如 129.00 的数字。",
        "The amount cannot be read (negative, not a number or scientific). Write a figure like 129.00.",
    ),
    "quantity": (
        "数量必须是大于 0 的整数。请改正后重新导入这一行。",
        "The quantity must be a whole number above 0. Correct it and import the row again.",
    ),
    "count": (
        "这里应是不小于 0 的整数。请改正后重新导入这一行。",
        "This must be a whole number, 0 or more. Correct it and import the row again.",
    ),
    "time": (
        "时间无法识别。请写成如 2026-11-09 01:03:28 的格式。",
        "The time cannot be read. Write it like 2026-11-09 01:03:28.",
    ),
    "ip": (
        "IP 地址无法识别。请改正或清空这一格。",
        "The IP address cannot be read. Correct it or leave the cell blank.",
    ),
    "status_unknown": (
        "不认识的订单状态“{status}”。请核对导出的文件；如果平台新增了状态，请联系管理员。",
        "Unknown order status “{status}”. Check the export; if the platform added a status, tell the admin.",
    ),
    "refund_unknown": (
        "不认识的售后状态“{status}”。请核对导出的文件；如果平台新增了状态，请联系管理员。",
        "Unknown refund status “{status}”. Check the export; if the platform added a status, tell the admin.",
    ),
    "order_part": (
        "同一订单的第 {line} 行有误，整单未导入。请改正该行后重新导入整单。",
        "Row {line} of the same order is refused, so the whole "
        "order is. Correct that row and import them all.",
    ),
    "order_conflict": (
        "同一订单号的内容与第 {line} 行互相矛盾，无法判断以哪一行为准，整单未导入。请重新导出。",
        "Rows of one order number contradict row {line}, so the whole order is refused. Export it again.",
    ),
    "order_head": (
        "只有商品行，缺少带订单状态的首行。请导出完整的订单。",
        "Only further products of this order are here; its first line is missing. Export the whole order.",
    ),
    "sku_repeated": (
        "商品编码与第 {line} 行重复而内容不同，以先出现的一行为准。请删除多余的一行。",
        "This code is also in row {line} with other facts; the first row counts. Delete one of the rows.",
    ),
    "aftersales_type": (
        "不认识的售后类型。请改成：仅退款、退货退款、换货、维修、补寄、价保。",
        "Unknown type of case. Write refund, return, exchange, repair, reship or price protection.",
    ),
    "aftersales_stage": (
        "不认识的售后状态。请核对导出的文件，或改成：待处理、待退货、待收货、已完成、已取消。",
        "Unknown state of the case. Check the export, or write pending, to return, returning, done or gone.",
    ),
    "rating": (
        "不认识的评分。请写 1–5，或 非常满意、满意、一般、不满意、非常不满意。",
        "Unknown rating. Write a whole number from 1 to 5.",
    ),
    "sender": (
        "不认识的发送方。请写：买家、客服、自动回复、机器人、系统。",
        "Unknown sender. Write buyer, agent, auto, robot or system.",
    ),
    "consult": (
        "不认识的咨询类型。请写：售前、售后、其他。",
        "Unknown kind of question. Write presales, aftersales or other.",
    ),
    "yes_no": ("这里请写“是”或“否”。", "Write yes or no here."),
    "level": (
        "不认识的程度。意向请写 高、中、低，预算请写 高、适中、低；不知道就留空。",
        "Unknown level. Write high, medium or low (budget: high, enough, low), or leave it blank.",
    ),
    "lead_source": (
        "不认识的线索来源。请写：询单未付、直播、企业微信、表单、活动、订单、聊天、其他。",
        "Unknown source. Write unpaid, live, enterprise, form, campaign, order, chat or other.",
    ),
    "phone_scientific": (
        "手机号变成了科学记数（如 1.38E+10），号码已经丢失。"
        "请在 Excel 里把这一列设为“文本”格式，重新填号码再导入。",
        "The phone is in scientific form (like 1.38E+10) and has lost digits. Format the column as text in "
        "Excel, enter the number again and import the row.",
    ),
    "phone_formula": (
        "手机号是公式，没有号码。请把这一列设为“文本”格式，填上号码后重新导入这一行。",
        "The phone is a formula, not a number. Format the column as text, enter the number, import the row.",
    ),
    "phone_masked": (
        "手机号带星号，打不通。请填完整号码，或改填微信、邮箱、买家账号。",
        "The phone is masked with asterisks. Enter the whole number, or another contact.",
    ),
    "phone_digits": (
        "这一格是 {count} 位数字，不是能打通的号码。请填 11 位手机号、带区号的座机，或以 + 开头的国外号码。",
        "This cell has {count} digits and is no number to call. Enter a mobile of 11 digits, a landline with "
        "its area code, or a foreign number beginning with +.",
    ),
    "phone_form": (
        "手机号里有不是号码的文字。一格只填一个号码，其他内容请放到备注。",
        "The phone holds words that are no number. One number a cell; put the rest into the remark.",
    ),
    "wechat_form": (
        "这不是微信号：应是 5–30 位字母、数字、下划线或减号，没有空格和汉字。请填微信号，不要填微信昵称。",
        "This is no WeChat id: 5 to 30 letters, digits, _ or -, no blanks. Enter the id, not the nickname.",
    ),
    "email_form": (
        "邮箱不完整，应如 name@example.com。请改正或清空这一格。",
        "The e-mail is not complete; it is like name@example.com. Correct it or leave the cell blank.",
    ),
    "lead_unreachable": (
        "这一行没有联系方式。手机、微信、邮箱、买家账号至少填一个。",
        "This row has no way to reach the customer. Fill in phone, WeChat, e-mail or buyer account.",
    ),
    "tags": (
        "需求标签最多 10 个、每个最多 20 字，不能含号码、邮箱、引号和 {{ }} [ ] < >。"
        "请改正后重新导入这一行。",
        "At most 10 needs of up to 20 characters each, without numbers, addresses, quotes or "
        "{{ }} [ ] < >. Correct the row.",
    ),
    "duration": (
        "时长无法识别。请写秒数（如 25），或 00:00:25 这样的时长。",
        "The duration cannot be read. Write seconds (25) or a time like 00:00:25.",
    ),
    "duration_day": (
        "超过了一天的 24 小时：一行应是一位客服一天的数字，单写一个数按小时算。请按天导出。",
        "This is more than the 24 hours of a day: a row is one agent on one day, a bare figure means hours. "
        "Export it by day.",
    ),
    # notes on accepted files
    "contacts_left": (
        "“{column}”有 {count} 格不是可用的联系方式（科学记数、公式、星号、位数或字符不对），这一格没有采用，"
        "客户凭其他联系方式导入：第 {lines} 行。手机号列请先设为“文本”格式再填。",
        "{count} cells of “{column}” reach nobody (scientific form, formula, asterisks, wrong length or "
        "signs) and were left out; the rows came in by another contact: row {lines}. "
        "Format a phone column as text.",
    ),
    "contacts_more": (
        "“{column}”有 {count} 格是另一个联系方式，已放进备注：第 {lines} 行。查重和自动成交只看前面一列。",
        "{count} cells of “{column}” hold another contact; it was put into the remark: row {lines}. "
        "Duplicates and orders are found by the column before it.",
    ),
    "cells_kept": (
        "“{column}”有 {count} 格不是选项里的词，原文已放进备注，这一项留空：第 {lines} 行。",
        "{count} cells of “{column}” are none of the choices; their words were put into the remark: "
        "row {lines}.",
    ),
    "summaries_left_out": (
        "{count} 行汇总或平均值没有导入：合计由系统自己算。",
        "{count} rows of sums and means were left out: the desk adds up itself.",
    ),
    "rows_repeated": (
        "{count} 行在文件里重复（消息ID、日期等相同），以靠后的一行为准，没有采用第 {lines} 行。",
        "{count} rows come again in the file (same id, same day …): the later row was taken, "
        "not row {lines}.",
    ),
    "parts_exceed": (
        "{count} 行的人数对不上（接待多于咨询、未回复多于接待等），已按文件导入，请核对第 {lines} 行。",
        "In {count} rows a part exceeds its whole (received above asked, unanswered "
        "above received …). They were taken as they are; check row {lines}.",
    ),
    "day_of_name": (
        "文件没有日期列，按文件名里的 {day} 计。",
        "The file has no days; {day} of its name was taken.",
    ),
    "day_assumed": (
        "文件没有日期列，文件名里也没有日期，按昨天计。要指定日期，请在文件名里写上，例如 2026-11-21。",
        "The file has no days and no date in its name; it counts as yesterday's. Put the date into the name, "
        "like 2026-11-21, to say otherwise.",
    ),
    "orders_repeated": (
        "{count} 个订单在文件里出现多次且状态不同，已采用进度最新的一行。",
        "{count} orders come more than once with different states; the most advanced line was taken.",
    ),
    "quantity_absent": (
        "文件没有商品数量列，每行按 1 件计。库存判断仅供参考。",
        "The file has no quantities; every line counts as 1 piece. Take stock verdicts with care.",
    ),
    "receiver_absent": (
        "文件没有收货人信息，只判断待付款、缺货和退款中勿发。",
        "The file has no receivers: only unpaid, out of stock and refund stop are judged.",
    ),
    "sheet_chosen": (
        "工作簿有多个工作表，只导入了“{sheet}”。",
        "The workbook has several sheets; only “{sheet}” was read.",
    ),
    "stock_below_zero": (
        "{count} 个商品的库存为负数（超卖），按 0 计。",
        "{count} products have stock below zero (oversold); they count as 0.",
    ),
}


def reason(key: str, params: Params, lang: str = "zh-CN") -> str:
    """The sentence of a FileRefused, Rejected or Note. Raises KeyError for a key that is not listed."""
    zh, en = REASONS[key]
    return (en if lang.startswith("en") else zh).format(**params)
