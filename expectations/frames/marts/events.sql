-- Where events lie against the patient's death and the data cut-off (0 = not after), and their grades.
-- One row per event type, distances in days and grade; `rows` counts events.
select
    events.event_type,
    greatest(date_diff('day', deaths.event_date, events.event_date), 0) as days_after_death,
    greatest(date_diff('day', getvariable('data_cutoff'), events.event_date), 0) as days_after_cutoff,
    events.grade,
    count(*) as rows
from marts.events as events
left join marts.outcomes as deaths
    on events.patient_key = deaths.patient_key and deaths.endpoint = 'OS' and deaths.event
group by all
order by all
