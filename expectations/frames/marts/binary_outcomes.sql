-- Share of the included patients who reached a binary endpoint.
-- One row per binary endpoint; `rows` counts those who reached it, `population` all who were judged.
select
    endpoint,
    count(*) filter (where achieved) / nullif(count(achieved), 0) as achieved_share,
    count(*) filter (where achieved) as rows,
    count(achieved) as population
from marts.outcomes
where kind = 'binary'
group by endpoint
order by endpoint
