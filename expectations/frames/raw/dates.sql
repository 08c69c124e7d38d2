-- How far rows lie after the patient's recorded death, and after the newest extract's own date.
-- One row per feed and pair of distances in days (0 = not after); `rows` counts source rows that have a date.
with
-- Read twice, made once: patient by patient it takes most of this frame's time.
last_days_of_patients as materialized (
    select *
    from last_days
),

deaths as (
    select
        patient_key,
        min(try_cast(left(death_on, 10) as date)) as died_on
    from follow_ups
    where death_on is not null
    group by patient_key
),

all_rows as (
    select
        feed,
        sum(rows) as rows
    from last_days_of_patients
    group by feed
    having sum(rows) > 0
),

-- Of each patient's rows in a feed the last day tells whether any can be late: for that ISO dates compare as text, and one
-- that can't be read is not late. Looking up each of two hundred million rows took half as long again.
late_patients as (
    select distinct
        last_days_of_patients.patient_key,
        deaths.died_on
    from last_days_of_patients
    left join deaths on last_days_of_patients.patient_key = deaths.patient_key
    where
        last_days_of_patients.day > strftime(getvariable('newest_extract'), '%Y-%m-%d')
        or last_days_of_patients.day > strftime(deaths.died_on, '%Y-%m-%d')
),

perhaps_late as (
    select
        dated_rows.feed,
        late_patients.died_on,
        try_cast(left(dated_rows.dated_at, 10) as date) as dated_on
    from dated_rows
    inner join late_patients on dated_rows.patient_key = late_patients.patient_key
),

late as (
    select
        feed,
        coalesce(greatest(date_diff('day', died_on, dated_on), 0), 0) as days_after_death,
        coalesce(greatest(date_diff('day', getvariable('newest_extract'), dated_on), 0), 0) as days_after_extract,
        count(*) as rows
    from perhaps_late
    group by all
),

in_time as (
    select
        all_rows.feed,
        0 as days_after_death,
        0 as days_after_extract,
        all_rows.rows - coalesce(sum(late.rows), 0) as rows
    from all_rows
    left join late on all_rows.feed = late.feed and (late.days_after_death > 0 or late.days_after_extract > 0)
    group by all_rows.feed, all_rows.rows
)

select
    feed,
    days_after_death,
    days_after_extract,
    cast(rows as bigint) as rows
from in_time
where rows > 0
union all
select
    feed,
    days_after_death,
    days_after_extract,
    rows
from late
where days_after_death > 0 or days_after_extract > 0
order by all
