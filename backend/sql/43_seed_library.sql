-- 43 ---------------------------------------------------------------------- the library: what a new installation has on its shelves
--
-- Our own wording, approved by nobody because the program brings it; the word check reads it in every shop before anybody is
-- offered it. Only what is missing is added: what people edited or retired stays as it is. Texts that promise or threaten
-- nothing, ask for no good review and name no other platform (反不正当竞争: no reward for a review).

create or replace function private.seed_scripts()
returns table (code text, title text, area text, stage text, cause text, objection text, body text)
language sql immutable set search_path = '' as $$
    select * from (values
    ('first_reply', '首次接待', 'presales', 'first_touch', null::text, '',
     '{顾客称呼}您好，我是{店铺}的{客服}。您看的{商品}有现货，想了解规格、使用方法还是发货时间？告诉我您的用途，我帮您选合适的一款。'),
    ('ask_needs', '问清需求', 'presales', 'needs', null, '',
     '为了帮您选对型号，想先问两点：主要谁来用、在什么场合用？如果对尺寸、颜色或预算有要求，也请告诉我。'),
    ('too_expensive', '觉得贵', 'presales', 'objection', null, '价格贵',
     '理解您会比较价格。{商品}的材质、规格和售后都写在详情页里，您可以对照看看哪些是您用得上的；如果预算有上限，我也可以帮您看看同系列里更简单的一款。'),
    ('think_it_over', '再考虑一下', 'presales', 'objection', null, '再考虑',
     '好的，您慢慢考虑。方便告诉我主要在犹豫哪一点吗？是尺寸、颜色还是送达时间？我把相关信息整理好发给您，需要的时候直接找我。'),
    ('payment_nudge', '催付', 'presales', 'closing', null, '',
     '{顾客称呼}您好，您拍下的{商品}（订单{订单号}）还没有付款。如果付款时遇到问题，或者想改规格、改地址，请告诉我，我来帮您处理；不需要了也没关系，订单会自动关闭。'),
    ('order_check', '付款后核对', 'presales', 'won', null, '',
     '{顾客称呼}您好，订单{订单号}已收到。跟您核对一下：{商品} {规格} × {数量}，收货地址以下单时填写的为准。需要修改请在发货前告诉我，发货后会把快递单号发给您。'),
    ('out_of_stock', '缺货告知', 'both', null, null, '',
     '{顾客称呼}您好，非常抱歉，您订单{订单号}里的{商品}目前缺货，预计{日期}到货。您可以选择：一、等到货后发出；二、换成其他规格或款式；三、取消并退款。请告诉我您的选择，我马上为您办理。'),
    ('remote_address', '偏远改址', 'both', null, null, '',
     '{顾客称呼}您好，订单{订单号}的收货地址属于偏远地区，快递送达时间会比平时长，部分地方需要到网点自取。您看是按原地址发出，还是换一个收货地址？确认后我就安排发货。'),
    ('transfer', '转接', 'both', null, null, '',
     '{顾客称呼}您好，您的问题由售后同事处理会更快。我已经把订单号和您说的情况一并转过去了，您不用再重复；售后同事会在本对话里继续联系您，请稍等。'),
    ('bad_review_threat', '差评威胁', 'aftersales', null, 'service', '',
     '{顾客称呼}您好，这次给您添麻烦了，我很抱歉。怎么评价由您自己决定，我们先把问题解决好：请告诉我哪里不满意，最好附上照片，我会在今天之内给您一个处理方案，并且一直跟到办完。'),
    ('claim_compensation', '要求赔偿', 'aftersales', null, null, '',
     '{顾客称呼}您好，您的损失我记下了。请发一下商品和外包装的照片，以及您希望怎样处理，我按店铺的售后规则为您核算，超出我权限的会请主管一起看，工单{工单号}会记录全部经过，有结果马上回复您。'),
    ('price_protection', '价保', 'aftersales', 'price_protection', null, '',
     '{顾客称呼}您好，订单{订单号}可以申请价保：在价保期内，同一款商品降价的差额我们退给您。我核对到差额是{金额}，确认后会原路退回，到账时间以支付渠道为准。'),
    ('scratched', '收到有划痕', 'aftersales', 'reship', 'quality_surface', '',
     '{顾客称呼}您好，收到有划痕的商品换成谁都会不高兴，非常抱歉。我已登记工单{工单号}，为您补发一件{商品}，快递单号出来后第一时间发给您；有划痕的这件怎样处理，我会一并告诉您。'),
    ('parcel_stuck', '物流停滞', 'aftersales', 'logistics', 'logistics_delay', '',
     '{顾客称呼}您好，{快递公司} {快递单号} 的物流已经停了一段时间，我已联系快递核实。如果确认丢件，我们会为您补发或退款，不用您再跑一趟；有消息我会主动告诉您。'),
    ('return_accepted', '退货受理', 'aftersales', 'return', null, '',
     '{顾客称呼}您好，您的退货申请已受理。请保持商品和配件完整，寄出后把快递单号发给我；仓库收到并验货后为您退款，退款一般在三到五个工作日内到账。'),
    ('refund_progress', '退款进度', 'aftersales', 'refund_only', null, '',
     '{顾客称呼}您好，订单{订单号}的退款 {金额} 已经提交，一般在三到五个工作日内原路退回。超过时间还没有到账的话请告诉我，我会带着流水为您查询。'),
    ('after_solved', '处理后回访', 'aftersales', null, null, '',
     '{顾客称呼}您好，工单{工单号}的处理已经完成，想请您确认一下问题是否解决了。如果还有不满意的地方，直接告诉我，我接着处理。')) v
$$;
comment on function private.seed_scripts() is 'The scripts of a new installation: 差评威胁, 要求赔偿, 催付, 缺货告知, 偏远改址, 价保, 转接 and what else is said every day.';

with added as (
    insert into public.scripts (code, title, state, created_at)
    select w.code, w.title, 'draft', now() from private.seed_scripts() w
    where not exists (select from public.scripts s where s.code = w.code) returning id, code
)
insert into public.script_revisions (script_id, number, title, body, area, stage, root_cause_id, objection, approved_at, created_at)
select a.id, 1, w.title, w.body, w.area, w.stage, c.id, w.objection, now(), now()
from added a join private.seed_scripts() w using (code) left join public.root_causes c on c.code = w.cause;
update public.scripts s set revision_id = r.id, live_id = r.id, state = 'approved'
from public.script_revisions r where r.script_id = s.id and r.number = 1 and s.revision_id is null and s.code is not null;

insert into public.solutions (title, steps, root_cause_id, case_types, state, published_at, created_at)
select w.title, w.steps, c.id, w.types, 'published', now(), now() from (values
    ('划痕、瑕疵：补发并留证', E'1. 请顾客发正面、划痕特写、外包装三张照片，存进工单。\n2. 核对是否在签收后 7 天内、是否人为使用造成。\n3. 24 小时内登记补发，原商品按货值决定寄回或赠送。\n4. 赠品在权限表的额度内登记，不要求顾客评价。\n5. 把照片发给仓库，看同批次是否还有。',
     'quality_surface', array['reship', 'exchange', 'quality']),
    ('不通电、不工作：先远程排查', E'1. 问清现象、使用几天、是否按说明书操作。\n2. 按产品说明逐项排查（电源、电池、开关、复位）。\n3. 排查无效：7 天内退换，保修期内维修，过保说明收费。\n4. 记录型号和批次，三例以上上报运营。',
     'quality_function', array['repair', 'exchange', 'quality']),
    ('包装压坏：补发并改包装', E'1. 请顾客拍外箱六面和内衬。\n2. 商品损坏则补发，外箱损坏但商品完好则致歉并说明。\n3. 把照片发给仓库，标出缺的缓冲材料。\n4. 同一 SKU 一周内两例以上，登记优化任务。',
     'logistics_packaging', array['reship', 'logistics']),
    ('物流停滞：先催件再决定', E'1. 查最后一次扫描的时间和网点。\n2. 超过 48 小时没有扫描，向快递提交查件，12 小时内联系顾客。\n3. 快递答复丢件或 72 小时无进展：补发或退款，由顾客选。\n4. 原件后来到达，请顾客拒收，或登记寄回。',
     'logistics_delay', array['logistics']),
    ('发错、少发：按出库记录补齐', E'1. 核对订单明细、拣货单和称重记录。\n2. 确认少发：当天补发少的部分；发错：先补对的，再约取错的。\n3. 运费由店铺承担，登记到工单。\n4. 回仓库核对同一拣货单的其他订单。',
     'service_wrong_goods', array['reship', 'exchange']),
    ('说好的没做到：先兑现再解释', E'1. 查聊天记录和承诺登记，确认答应了什么、谁答应的。\n2. 在标准内：马上兑现并告诉顾客时间。\n3. 超出标准：按权限表请主管决定，不推给同事。\n4. 在工单写明经过，交班时一起交代。',
     'service_promise', array['service', 'public_complaint']),
    ('尺码不合：按尺码表换一次', E'1. 问身高、体重、平时穿的尺码，对照尺码表推荐。\n2. 7 天无理由内安排换货，一次换对。\n3. 尺码表和实物不符：登记描述类原因，通知运营改详情页。',
     'description_size', array['exchange', 'return']),
    ('退款未到账：按渠道查', E'1. 看退款提交时间和支付渠道。\n2. 三到五个工作日内：告诉顾客预计到账日。\n3. 超过 5 个工作日：取退款流水号请财务查，并每天回复一次进度。',
     'service_slow', array['refund_only', 'return'])
) w (title, steps, cause, types) join public.root_causes c on c.code = w.cause
where not exists (select from public.solutions);

insert into public.offer_rules (kind, name, min_amount, gift_name, quantity, cost, after_order_price, promised_by, note, valid_from, created_at)
select 'gift', '示例：满 199 元送试用装', 199, '试用装', 1, 8, 15, 'agent', '示例，请改成自己的赠品后由另一位主管批准。未下单的顾客可送；已下单的顾客补差价购买。', now(), now()
where not exists (select from public.offer_rules where kind = 'gift');
insert into public.offer_rules (kind, name, sku, list_price, agent_price, manager_price, occasion, promised_by, note, valid_from, created_at)
select 'price', '示例：老客复购优惠', 'SKU-EXAMPLE', 200, 180, 160, 'repurchase', 'agent', '示例，请改成自己的商品后由另一位主管批准。用满一年后因故障再次购买的顾客。', now(), now()
where not exists (select from public.offer_rules where kind = 'price');
