-- Distribution of vital signs. Values are rounded to four significant digits, more than instruments report.
-- One row per sign, unit and value; `rows` counts measurements.
with readings as (
    select
        sign,
        read_number(value) as reading
    from vital_signs
)

select
    sign,
    if(reading = 0, 0, round(reading, 3 - cast(floor(log10(abs(nullif(reading, 0)))) as integer))) as value,
    count(*) as rows
from readings
group by all
order by all
