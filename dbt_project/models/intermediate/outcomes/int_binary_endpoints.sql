-- Yes/no endpoints. Complete remission that was never assessed is "not_evaluable" and counts as not achieved; an endpoint
-- whose feed no extract holds is "not_computable" and NULL. One row per patient with an infusion and binary endpoint.

with responses as (
    select
        response.*,
        {{ merge_sorted_evidence('response.remission_evidence', 'response.mrd_evidence') }} as response_evidence,
        case
            when response.complete_remission is null then 'not_computable'
            when response.response_evaluable then 'no_remission'
            else 'not_evaluable'
        end as without_remission
    from {{ ref('int_patient_response') }} as response
)

select
    patient_key,
    'CR' as endpoint,
    complete_remission as achieved,
    case when complete_remission then 'complete_remission' else without_remission end as event_kind,
    complete_remission_date as event_date,
    remission_evidence as evidence
from responses
union all
select
    patient_key,
    'MRD_NEGATIVE_CR',
    mrd_negative,
    case
        when mrd_negative is null then 'not_computable'
        when mrd_negative then 'mrd_negative'
        when complete_remission then 'mrd_positive'
        else without_remission
    end,
    mrd_negative_date,
    response_evidence
from responses
union all
select
    patient_key,
    'MRD_POSITIVE_CR',
    case when mrd_negative is not null then complete_remission and not mrd_negative end,
    case
        when mrd_negative is null then 'not_computable'
        when mrd_negative then 'mrd_negative'
        when complete_remission then 'mrd_positive'
        else without_remission
    end,
    case when not mrd_negative then complete_remission_date end,
    response_evidence
from responses
union all
select
    patient_key,
    'HSCT_BRIDGE',
    bridged_to_hsct,
    case when bridged_to_hsct then 'hsct' when not bridged_to_hsct then 'not_bridged' else 'not_computable' end,
    case when bridged_to_hsct then hsct_date end,
    evidence
from {{ ref('int_patient_hsct') }}
union all
select
    patient_key,
    'SEVERE_CRS',
    severe_crs,
    case when severe_crs then 'severe_crs' when not severe_crs then 'no_severe_crs' else 'not_computable' end,
    case when severe_crs then crs_onset_date end,
    crs_evidence
from {{ ref('int_patient_adverse_events') }}
