-- Distribution of marrow blasts. One row per percentage; `rows` counts assessments.
select
    read_number(blast_percent) as blast_percent,
    cast(blast_percent is null as integer) as blast_percent_missing,
    count(*) as rows
from marrow_assessments
group by all
order by all
