-- How much of every feed's newest delivery had to be rejected.
-- One row per feed; `rows` counts the rejected rows, `population` the delivered ones.
select
    feed,
    sum(rejected) / nullif(sum(rows), 0) as rejected_share,
    sum(rejected) as rows,
    sum(rows) as population
from (select *, extract = max(extract) over (partition by feed) as is_newest from ledger)
where is_newest
group by feed
order by feed
