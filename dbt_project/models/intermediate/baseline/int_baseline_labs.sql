-- Baseline laboratory values: of each analyte the last value on or before the infusion, not older than the study's
-- baseline window, in the analyte's canonical unit. A value of the infusion day counts unless its time and the infusion's
-- time are both known and it was taken later. On one day a value with a known time is later than one without.
-- A value in an unknown unit is not used; a bound (<0.1) stands for itself and keeps its comparator.
-- One row per patient with an infusion and analyte. The one scan of the long lab feed that the baseline needs.
with candidates as (
    select
        labs.patient_key,
        analytes.analyte,
        analytes.canonical_unit,
        labs.value * {{ unit_factor() }} as value,
        labs.value_comparator,
        labs.collected_at,
        labs.collected_at_has_time,
        labs.source_feed,
        labs.source_extract,
        labs.source_file,
        labs.source_row
    from {{ ref('stg_emr__lab_results') }} as labs
    inner join {{ ref('lab_analytes') }} as analytes on labs.loinc = analytes.loinc
    inner join {{ ref('int_time_zero') }} as time_zero on labs.patient_key = time_zero.patient_key
    {{ unit_join() }}
    where labs.value is not null
        and coalesce(lower(labs.specimen), analytes.specimen) = analytes.specimen
        and {{ is_at_baseline('labs.collected_at', 'labs.collected_at_has_time') }}
        and {{ is_in_baseline_window('cast(labs.collected_at as date)') }}
),

latest as (
    select
        patient_key,
        analyte,
        max(canonical_unit) as unit,
        arg_max(
            struct_pack(
                value := value,
                comparator := value_comparator,
                collected_at := collected_at,
                evidence := {{ evidence_struct() }}
            ),
            row(cast(collected_at as date), collected_at_has_time, collected_at, {{ source_order() }})
        ) as last_value
    from candidates
    where value is not null
    group by patient_key, analyte
)

select
    patient_key,
    analyte,
    last_value.value,
    last_value.comparator as value_comparator,
    unit,
    cast(last_value.collected_at as date) as collected_on,
    [last_value.evidence] as evidence
from latest
