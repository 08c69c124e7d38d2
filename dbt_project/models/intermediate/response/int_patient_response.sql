-- Response of a patient under the study's rule set. Never assessed: not evaluable, counted as without remission;
-- where no extract holds any marrow or extramedullary assessment, or (for MRD) any MRD result, nothing can be told (NULL).
-- One row per patient with an infusion.

select
    best.patient_key,
    case when {{ response_delivered() }} then remission.patient_key is not null end as complete_remission,
    remission.complete_remission_date,
    case when {{ response_delivered() }} and {{ feed_delivered('mrd_results') }} then mrd.patient_key is not null end
        as mrd_negative,
    mrd.mrd_negative_date,
    case
        when not best.assessed then 'not evaluable'
        when mrd.patient_key is not null then 'MRD-negative CR'
        when remission.patient_key is not null and {{ feed_delivered('mrd_results') }} then 'MRD-positive CR'
        when remission.patient_key is not null then 'CR'
        when best.response = 'NR' then 'no remission'
        else best.response
    end as best_response,
    best.assessed as response_evaluable,
    {{ merge_sorted_evidence('best.evidence', 'remission.evidence') }} as remission_evidence,
    coalesce(mrd.evidence, []) as mrd_evidence
from {{ ref('int_best_response_by_rule') }} as best
left join {{ ref('int_first_complete_remission') }} as remission on best.patient_key = remission.patient_key
left join {{ ref('int_first_mrd_negative') }} as mrd on best.patient_key = mrd.patient_key
where best.chosen
