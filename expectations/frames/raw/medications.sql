-- Doses and lengths of treatment. One row per dose and duration; `rows` counts drug rows.
select
    read_number(dose) as dose,
    date_diff('day', try_cast(left(started_at, 10) as date), try_cast(left(ended_at, 10) as date)) as duration_days,
    cast(dose is not null and dose_unit is null as integer) as dose_without_unit,
    count(*) as rows
from medications
group by all
order by all
