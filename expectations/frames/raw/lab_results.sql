-- Distribution of laboratory values. Values are rounded to four significant digits, more than instruments report.
-- One row per LOINC code, unit and value; `rows` counts results.
-- Texts are counted first, because a long feed has few different ones: to read and round each row costs half as much again.
with texts as (
    select
        loinc,
        unit,
        value,
        count(*) as rows
    from lab_results
    group by all
),

readings as (
    select
        loinc,
        lower(unit) as unit,
        cast(unit is null as integer) as unit_missing,
        read_number(value) as reading,
        rows
    from texts
)

select
    loinc,
    unit,
    unit_missing,
    if(reading = 0, 0, round(reading, 3 - cast(floor(log10(abs(nullif(reading, 0)))) as integer))) as value,
    cast(sum(rows) as bigint) as rows
from readings
group by all
order by all
