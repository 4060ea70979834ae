-- 40 ------------------------------------------------------------------------------------------------------------- stock

create table if not exists public.products (
    id bigint generated always as identity primary key,
    stock_pool_id bigint not null references public.stock_pools,
    sku text not null,
    name text not null,
    spec text not null default '',
    available integer constraint products_available_not_negative check (available >= 0),
    safety_stock integer not null default 50 constraint products_safety_not_negative check (safety_stock >= 0),
    stock_at timestamptz,
    import_id bigint,
    updated_at timestamptz not null default now(),
    constraint products_sku_unique unique (stock_pool_id, sku)
);
create index if not exists products_name_idx on public.products (stock_pool_id, name, spec);
alter table public.products enable row level security;
comment on table public.products is '商品与库存: what a stock pool holds. available null = never counted; below safety_stock (50 by default) it is on the refill list.';

drop policy if exists "members read the products" on public.products;
create policy "members read the products" on public.products
    for select to authenticated using ((select private.my_role()) is not null);
grant select on public.products to authenticated;
