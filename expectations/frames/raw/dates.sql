-- How far rows lie after the patient's recorded death, and after the newest extract's own date.
-- One row per feed and pair of distances in days (0 = not after); `rows` counts source rows that have a date.
with deaths as (
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
        count(*) as rows
    from dated_rows
    where day is not null
    group by feed
),

-- A row is read and looked up only where its text says that it may be late: for that ISO dates compare as text, and one
-- that can't be read is not late. Reading two hundred million dates took three times as long.
perhaps_late as (
    select
        dated_rows.feed,
        deaths.died_on,
        try_cast(dated_rows.day as date) as dated_on
    from dated_rows
    left join deaths on dated_rows.patient_key = deaths.patient_key
    where dated_rows.day > strftime(getvariable('newest_extract'), '%Y-%m-%d')
    union all
    select
        dated_rows.feed,
        deaths.died_on,
        try_cast(dated_rows.day as date) as dated_on
    from dated_rows
    inner join deaths
        on dated_rows.patient_key = deaths.patient_key and dated_rows.day > strftime(deaths.died_on, '%Y-%m-%d')
    where dated_rows.day <= strftime(getvariable('newest_extract'), '%Y-%m-%d')
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
