-- Row counts against the last published warehouse, so that a partial delivery is noticed.
-- One row per mart that was published before; `rows` counts missing rows, `population` the rows published before.
select
    now.name,
    now.rows / before.rows as ratio,
    greatest(before.rows - now.rows, 0) as rows,
    before.rows as population
from (
    select 'patients' as name, count(*) as rows from marts.patients
    union all
    select 'events', count(*) from marts.events
    union all
    select 'response_assessments', count(*) from marts.response_assessments
    union all
    select 'adverse_events', count(*) from marts.adverse_events
    union all
    select 'outcomes', count(*) from marts.outcomes
) as now
inner join published_rows as before on now.name = before.name
where before.rows > 0
order by now.name
