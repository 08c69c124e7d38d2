-- How many of the infused patients the study includes.
-- One row; `rows` counts excluded patients, `population` all infused patients.
select
    count(*) filter (where included) as included_patients,
    count(*) filter (where included) / nullif(count(*), 0) as included_share,
    count(*) filter (where not included) as rows,
    count(*) as population
from marts.patients
where infusion_date is not null
