-- Vector copies and B-cell aplasia where recorded. One row per patient and measure.

select
    patient_key,
    measure,
    cast(measurements as integer) as measurements,
    peak_value,
    cast(peak_day as integer) as peak_day,
    cast(last_detected_day as integer) as last_detected_day,
    cast(last_measured_day as integer) as last_measured_day,
    cast(aplasia_from_day as integer) as aplasia_from_day,
    cast(aplasia_until_day as integer) as aplasia_until_day,
    evidence
from {{ ref('int_cell_persistence') }}
order by patient_key, measure
