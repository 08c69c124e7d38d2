-- Response assessments and their findings. One row per study day and marrow finding; `rows` counts assessments.
select
    study_day,
    marrow_blast_percent,
    count(*) as rows
from marts.response_assessments
group by all
order by all
