-- CAR-T doses and courses. One row per dose, course and completeness; `rows` counts infusions.
select
    read_number(cells_per_kg) as cells_per_kg,
    try_cast(course as integer) as course,
    try_cast(fraction as integer) as fraction,
    cast(infused_at is null as integer) as date_missing,
    cast(cells_per_kg is null as integer) as dose_missing,
    count(*) as rows
from cart_infusions
group by all
order by all
