-- MRD-negative complete remission: complete remission, and an MRD-negative result on or after the infusion within the
-- response window. It is reached on the later of the two days. One row per patient who reached it.
-- Source: paper, CR with MRD negative.

with earliest as (
    select
        mrd.patient_key,
        min(struct_pack(
            sampled_on := mrd.sampled_on,
            method := mrd.method,
            source_extract := mrd.source_extract,
            source_file := mrd.source_file,
            source_row := mrd.source_row,
            source_feed := mrd.source_feed,
            date_precision := mrd.date_precision
        )) as chosen
    from {{ ref('int_mrd_findings') }} as mrd
    inner join {{ ref('int_time_zero') }} as time_zero on mrd.patient_key = time_zero.patient_key
    where
        mrd.counts_as_negative
        and mrd.sampled_on >= time_zero.infusion_date
        and {{ days_between('time_zero.infusion_date', 'mrd.sampled_on') }} <= {{ study('response.window_days') }}
    group by mrd.patient_key
),

first_negative as (
    select
        earliest.patient_key,
        earliest.chosen.sampled_on,
        earliest.chosen.date_precision,
        {{ evidence_struct('earliest.chosen.') }} as deciding_row
    from earliest
)

select
    remission.patient_key,
    greatest(remission.complete_remission_date, first_negative.sampled_on) as mrd_negative_date,
    first_negative.sampled_on as first_negative_sample_on,
    case
        when first_negative.sampled_on > remission.complete_remission_date then first_negative.date_precision
        else remission.date_precision
    end as date_precision,
    first_negative.deciding_row,
    {{ merge_sorted_evidence('remission.evidence', 'list_value(first_negative.deciding_row)') }} as evidence
from {{ ref('int_first_complete_remission') }} as remission
inner join first_negative on remission.patient_key = first_negative.patient_key
