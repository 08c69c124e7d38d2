-- Times of the endpoints, their completeness, and whether source rows are named.
-- One row per endpoint, time and flags; `rows` counts outcomes.
select
    endpoint,
    time_days,
    cast(kind = 'time_to_event' and (time_days is null or event is null) as integer) as time_missing,
    cast(kind = 'binary' and achieved is null as integer) as answer_missing,
    cast(coalesce(len(evidence), 0) = 0 as integer) as evidence_missing,
    greatest(date_diff('day', getvariable('data_cutoff'), event_date), 0) as days_after_cutoff,
    count(*) as rows
from marts.outcomes
group by all
order by all
