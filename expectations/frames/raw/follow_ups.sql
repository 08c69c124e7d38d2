-- Deaths without a date, dates of death without a death, and relapses without a date.
-- One row per combination of flags; `rows` counts visits.
select
    cast(vital_status = 'dead' and death_on is null as integer) as death_undated,
    cast(vital_status = 'alive' and death_on is not null as integer) as alive_with_death_date,
    cast(disease_status = 'relapse' and relapse_on is null as integer) as relapse_undated,
    count(*) as rows
from follow_ups
group by all
order by all
