-- Haematotoxicity after CAR-T (ICAHT, EHA/EBMT), early and late. One row per patient with a neutrophil count from the
-- infusion to day 100.

select
    patient_key,
    cast(early_grade as integer) as early_grade,
    cast(severe_days as integer) as severe_days,
    cast(profound_days as integer) as profound_days,
    cast(late_grade as integer) as late_grade,
    late_second_lowest,
    evidence
from {{ ref('int_icaht') }}
order by patient_key
