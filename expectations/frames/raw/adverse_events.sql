-- Grades and lengths of adverse events. One row per phase, grade and duration; `rows` counts events.
select
    phase,
    try_cast(grade as integer) as grade,
    cast(grade is null as integer) as grade_missing,
    date_diff('day', try_cast(left(started_on, 10) as date), try_cast(left(ended_on, 10) as date)) as duration_days,
    count(*) as rows
from adverse_events
group by all
order by all
