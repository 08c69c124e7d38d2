-- Birth years and recorded sex. One row per year and completeness; `rows` counts patients.
select
    try_cast(left(birth_date, 4) as integer) as birth_year,
    cast(sex is null as integer) as sex_missing,
    cast(birth_date is null as integer) as birth_date_missing,
    count(*) as rows
from patients
group by all
order by all
