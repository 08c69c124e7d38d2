-- Subsequent therapy: the first therapy after the infusion and before relapse (of one day: transplant,
-- consolidation, repeated course, salvage, which is their order by name). Without one: "no further therapy until
-- relapse" after a complete remission, "none (chemoresistance)" after treatment failure, NULL where response was never
-- assessed, or where an extract of procedures or medications is wanting, so that none recorded means nothing. One row per patient with an infusion. Source: paper, subsequent therapy.

with before_relapse as (
    select therapies.*
    from {{ ref('int_subsequent_therapies') }} as therapies
    left join {{ ref('int_first_relapse') }} as relapses on therapies.patient_key = relapses.patient_key
    where therapies.started_on < relapses.relapse_date or relapses.relapse_date is null
    qualify row_number() over (
        partition by therapies.patient_key order by therapies.started_on, therapies.therapy, therapies.evidence
    ) = 1
)

select
    response.patient_key,
    coalesce(
        before_relapse.therapy,
        case
            when not ({{ feed_delivered('procedures') }} and {{ feed_delivered('medications') }}) then null
            when response.complete_remission then 'no further therapy until relapse'
            when response.response_evaluable then 'none (chemoresistance)'
        end
    ) as subsequent_therapy,
    before_relapse.started_on as subsequent_therapy_date,
    coalesce(before_relapse.evidence, []) as evidence
from {{ ref('int_patient_response') }} as response
left join before_relapse on response.patient_key = before_relapse.patient_key
