-- Count recovery at an assessment: neutrophils and platelets (10^9/L) of the nearest day within 7 days; of several
-- values equally near, the lower. One row per patient and assessment day that has either. Source: ELN 2022.
-- The least of a struct, in the order of its fields, instead of row_number: it needs no sort of the long feed.
{{ config(pre_hook="{{ joins_as_written() }}", post_hook="{{ joins_by_estimate() }}") }}

with nearest as (
    select
        time_zero.patient_number,
        assessments.assessed_on,
        {%- for analyte in ['neutrophils', 'platelets'] %}
        min(struct_pack(
            days_off := abs({{ days_between('labs.collected_on', 'assessments.assessed_on') }}),
            value := labs.value,
            exact_order := labs.comparator is null,
            comparator := labs.comparator,
            file_number := labs.file_number,
            source_row := labs.source_row
        )) filter (where labs.analyte = '{{ analyte }}') as {{ analyte }}{{ ',' if not loop.last }}
        {%- endfor %}
    from {{ ref('int_response_assessment_dates') }} as assessments
    inner join {{ ref('int_time_zero') }} as time_zero on assessments.patient_key = time_zero.patient_key
    inner join {{ ref('int_graded_labs') }} as labs on time_zero.patient_number = labs.patient_number
    where
        labs.analyte in ('neutrophils', 'platelets')
        and abs({{ days_between('labs.collected_on', 'assessments.assessed_on') }}) <= {{ rule_constant('near_days') }}
    group by time_zero.patient_number, assessments.assessed_on
),

gathered as (
    select
        *,
        list_sort(list_filter([
            struct_pack(file_number := neutrophils.file_number, source_row := neutrophils.source_row),
            struct_pack(file_number := platelets.file_number, source_row := platelets.source_row)
        ], lambda entry: entry.source_row is not null)) as evidence
    from nearest
)

select
    time_zero.patient_key,
    gathered.assessed_on,
    gathered.neutrophils.value as neutrophils,
    gathered.neutrophils.comparator as neutrophils_comparator,
    gathered.platelets.value as platelets,
    gathered.platelets.comparator as platelets_comparator,
    {{ named_evidence('gathered.evidence') }} as evidence
from gathered
inner join {{ ref('int_time_zero') }} as time_zero on gathered.patient_number = time_zero.patient_number
cross join ({{ list_of_files(ref('int_lab_files')) }}) as named_files
