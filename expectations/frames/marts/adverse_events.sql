-- Worst grades and first days of adverse events.
-- One row per phase, term, grade and day; `rows` counts patients.
select
    phase,
    term,
    worst_grade,
    first_study_day,
    count(*) as rows
from marts.adverse_events
group by all
order by all
