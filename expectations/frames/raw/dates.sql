-- How far rows lie after the patient's recorded death, and after the newest extract's own date.
-- One row per feed and pair of distances in days (0 = not after); `rows` counts source rows.
with deaths as (
    select
        patient_key,
        min(try_cast(left(death_on, 10) as date)) as died_on
    from follow_ups
    where death_on is not null
    group by patient_key
)

select
    dated_rows.feed,
    greatest(date_diff('day', deaths.died_on, dated_rows.dated_on), 0) as days_after_death,
    greatest(date_diff('day', getvariable('newest_extract'), dated_rows.dated_on), 0) as days_after_extract,
    count(*) as rows
from dated_rows
left join deaths on dated_rows.patient_key = deaths.patient_key
where dated_rows.dated_on is not null
group by all
order by all
