-- Relapse: after the first complete remission the first sign of leukaemia (marrow > 5%, blood, extramedullary site), or a
-- relapse that a visit records on or after it. Where response was never assessed a recorded relapse counts by itself;
-- where it was assessed and never complete there is none. On one day: marrow, blood, extramedullary, then the visit.
-- One row per relapsed patient. Source: paper and study contract.

with candidates as (
    select
        leukemia.*,
        remission.complete_remission_date,
        case leukemia.found_in when 'marrow' then 1 when 'blood' then 2 when 'extramedullary' then 3 else 4 end
            as site_order
    from {{ ref('int_leukemia_findings') }} as leukemia
    left join {{ ref('int_first_complete_remission') }} as remission on leukemia.patient_key = remission.patient_key
    where
        leukemia.found_on > remission.complete_remission_date
        or (
            leukemia.found_in = 'follow_up'
            and (
                leukemia.found_on >= remission.complete_remission_date
                or leukemia.patient_key not in (
                    select assessed.patient_key from {{ ref('int_response_assessment_dates') }} as assessed
                )
            )
        )
)

select
    candidates.patient_key,
    candidates.found_on as relapse_date,
    candidates.study_day,
    candidates.found_in,
    candidates.value,
    candidates.detail,
    candidates.date_precision,
    candidates.date_is_of_visit,
    {{ merge_evidence(['candidates.evidence', 'remission.evidence']) }} as evidence,
    candidates.evidence[1] as deciding_row
from candidates
left join {{ ref('int_first_complete_remission') }} as remission on candidates.patient_key = remission.patient_key
qualify row_number() over (
    partition by candidates.patient_key
    order by candidates.found_on, candidates.site_order, candidates.value desc, candidates.evidence
) = 1
