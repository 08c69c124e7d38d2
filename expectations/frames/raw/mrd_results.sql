-- MRD values, and results that say nothing (neither value nor word).
-- One row per method, value and completeness; `rows` counts results.
select
    method,
    read_number(value_percent) as value_percent,
    cast(value_percent is null and result is null as integer) as says_nothing,
    count(*) as rows
from mrd_results
group by all
order by all
