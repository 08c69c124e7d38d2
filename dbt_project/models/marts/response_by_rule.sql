-- Best response within the window under each rule set side by side; `chosen` is the study's.
-- One row per patient with an infusion and rule set.

select
    patient_key,
    rule_set,
    chosen,
    response,
    complete_remission,
    complete_remission_date,
    cast(study_day as integer) as study_day,
    assessed,
    evidence
from {{ ref('int_best_response_by_rule') }}
order by patient_key, rule_set
