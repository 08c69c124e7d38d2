-- Lengths of stay. One row per care unit and number of days; `rows` counts encounters.
select
    care_unit,
    date_diff('day', try_cast(left(admitted_at, 10) as date), try_cast(left(discharged_at, 10) as date)) as stay_days,
    count(*) as rows
from encounters
group by all
order by all
