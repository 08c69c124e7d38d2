-- Baseline laboratory values: of each analyte the last value on or before the infusion, not older than the study's
-- baseline window, in the analyte's canonical unit. A value of the infusion day counts unless its time and the infusion's
-- time are both known and it was taken later. On one day a value with a known time is later than one without.
-- A value in an unknown unit is not used; a bound (<0.1) stands for itself and keeps its comparator.
-- One row per patient with an infusion and analyte whose baseline a mart shows (seed lab_analytes, at_baseline).
-- The long lab feed is scanned once; the last moment is found first and its row fetched after, because carrying whole
-- rows through the aggregate costs ten times the memory.
{{ config(pre_hook="{{ joins_as_written() }}", post_hook="{{ joins_by_estimate() }}") }}

with candidates as materialized (
    select
        labs.patient_key,
        analytes.analyte,
        analytes.canonical_unit,
        labs.value * {{ unit_factor() }} as value,
        labs.value_comparator,
        labs.collected_at,
        2 * epoch_us(labs.collected_at) + cast(labs.collected_at_has_time as integer) as moment,
        labs.source_feed,
        labs.source_extract,
        labs.source_file,
        labs.source_row
    from {{ ref('stg_emr__lab_results') }} as labs
    inner join {{ ref('lab_analytes') }} as analytes on labs.loinc = analytes.loinc
    inner join {{ ref('int_time_zero') }} as time_zero on labs.patient_key = time_zero.patient_key
    {{ unit_join() }}
    where analytes.at_baseline
        and labs.value * {{ unit_factor() }} is not null
        and coalesce(lower(labs.specimen), analytes.specimen) = analytes.specimen
        and {{ is_at_baseline('labs.collected_at', 'labs.collected_at_has_time') }}
        and {{ is_in_baseline_window('cast(labs.collected_at as date)') }}
),

last_moments as (
    select patient_key, analyte, max(moment) as moment
    from candidates
    group by patient_key, analyte
)

select
    candidates.patient_key,
    candidates.analyte,
    candidates.value,
    candidates.value_comparator,
    candidates.canonical_unit as unit,
    cast(candidates.collected_at as date) as collected_on,
    [{{ evidence_struct('candidates.') }}] as evidence
from candidates
inner join last_moments
    on candidates.patient_key = last_moments.patient_key
    and candidates.analyte = last_moments.analyte
    and candidates.moment = last_moments.moment
qualify row_number() over (
    partition by candidates.patient_key, candidates.analyte
    order by candidates.source_extract desc, candidates.source_file desc, candidates.source_row desc
) = 1
