-- Best response of a patient under each rule set: of the assessments up to the last day of the response window the one of
-- best rank, the earliest of equals. A patient who was never assessed is "not evaluable" under every rule set; one who was
-- assessed only after the window has no response. `assessed` says which. One row per patient with an infusion and rule set.

with rule_sets as (
    select distinct rule_set from {{ ref('response_categories') }}
),

assessed as (
    select patient_key, count(*) as assessments
    from {{ ref('int_response_assessment_dates') }}
    group by patient_key
),

chosen as (
    select
        patient_key,
        rule_set,
        min(struct_pack(response_rank := response_rank, assessed_on := assessed_on)) as first_of_best
    from {{ ref('int_response_by_rule') }}
    where study_day <= {{ study('response.window_days') }}
    group by patient_key, rule_set
),

-- Evidence joins the one day that is left: carried through the choice it would cost three times as much.
best as (
    select
        responses.*,
        {{ response_evidence('responses') }} as evidence
    from {{ ref('int_response_by_rule') }} as responses
    inner join chosen
        on
            responses.patient_key = chosen.patient_key
            and responses.rule_set = chosen.rule_set
            and responses.assessed_on = chosen.first_of_best.assessed_on
    {{ response_rows('responses') }}
)

select
    time_zero.patient_key,
    rule_sets.rule_set,
    rule_sets.rule_set = '{{ study('rules.response') }}' as chosen,
    assessed.patient_key is not null as assessed,
    coalesce(best.response, case when assessed.patient_key is null then 'not evaluable' else 'NR' end) as response,
    coalesce(best.complete_remission, false) as complete_remission,
    case when best.complete_remission then best.assessed_on end as complete_remission_date,
    case when best.complete_remission then best.study_day end as study_day,
    coalesce(best.evidence, []) as evidence
from {{ ref('int_time_zero') }} as time_zero
cross join rule_sets
left join assessed on time_zero.patient_key = assessed.patient_key
left join best on time_zero.patient_key = best.patient_key and rule_sets.rule_set = best.rule_set
