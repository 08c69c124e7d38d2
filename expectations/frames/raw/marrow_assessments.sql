-- Distribution of marrow blasts. One row per percentage; `rows` counts assessments.
select
    try_cast(blast_percent as double) as blast_percent,
    cast(blast_percent is null as integer) as blast_percent_missing,
    count(*) as rows
from marrow_assessments
group by all
order by all
