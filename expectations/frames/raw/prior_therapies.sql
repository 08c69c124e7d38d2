-- Numbers and lengths of earlier lines of treatment. One row per line number and duration; `rows` counts lines.
select
    try_cast(line as integer) as line,
    date_diff('day', try_cast(left(started_on, 10) as date), try_cast(left(ended_on, 10) as date)) as duration_days,
    count(*) as rows
from prior_therapies
group by all
order by all
