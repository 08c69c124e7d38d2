-- Where events lie against the data cut-off (0 = not after), and their grades.
-- One row per event type, distance in days and grade; `rows` counts events.
select
    events.event_type,
    greatest(date_diff('day', getvariable('data_cutoff'), events.event_date), 0) as days_after_cutoff,
    events.grade,
    count(*) as rows
from marts.events as events
group by all
order by all
