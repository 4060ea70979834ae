"""The library of the floor: scripts (话术), solutions and root causes (知识库), gifts and prices
(赠品与价格权限).

One library serves presales and after-sales. The database decides what may be used where and by whom; this
package
carries the word check to it, fills in variables, and says what the pages read and do.

- `models`     values; `variables` what stands in braces, and filling it in
- `reads`      what pages read; `commands` what people do
- `checking`   the word check of scripts: one after it was written, all of them by the worker
"""
