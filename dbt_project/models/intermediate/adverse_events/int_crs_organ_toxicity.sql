-- Organ toxicity during a CRS episode, from liver values: the worst CTCAE grade of transaminases and of bilirubin on its
-- days, counted where worse than the worst of the baseline window. One row per patient with such a grade. Source: Lee 2014.

with people as (
    select
        time_zero.patient_number,
        episodes.patient_key,
        episodes.onset_on,
        episodes.last_day_on,
        coalesce(patients.sex, 'unknown') as sex
    from {{ ref('int_crs_episodes') }} as episodes
    inner join {{ ref('int_time_zero') }} as time_zero on episodes.patient_key = time_zero.patient_key
    inner join {{ ref('stg_emr__patients') }} as patients on episodes.patient_key = patients.patient_key
),

worst_in_episode as (
    select
        people.patient_key,
        labs.analyte,
        max(bounds.grade) as grade,
        max(struct_pack(value := labs.value, file_number := labs.file_number, source_row := labs.source_row)) as highest
    from {{ ref('int_graded_labs') }} as labs
    inner join people on labs.patient_number = people.patient_number
    inner join {{ ref('int_lab_bounds') }} as bounds
        on
            labs.analyte = bounds.analyte
            and bounds.direction = 'above'
            and bounds.chosen
            and people.sex = bounds.sex
            and {{ is_above('labs.value', 'labs.comparator', 'bounds.bound') }}
    where labs.collected_on >= people.onset_on and labs.collected_on <= people.last_day_on
    group by people.patient_key, labs.analyte
),

values_in_episode as (
    select
        worst.patient_key,
        worst.analyte,
        worst.grade,
        {{ numbered_evidence('worst.highest') }} as evidence
    from worst_in_episode as worst
    inner join {{ ref('int_lab_files') }} as files on worst.highest.file_number = files.file_number
),

highest_before as (
    select
        people.patient_key,
        people.sex,
        worst.analyte,
        {{ graded_part('worst.highest_before') }} as reading
    from {{ ref('int_worst_labs') }} as worst
    inner join people on worst.patient_number = people.patient_number
    where worst.highest_before is not null
),

baseline as (
    select
        highest.patient_key,
        highest.analyte,
        max(bounds.grade) as grade
    from highest_before as highest
    inner join {{ ref('int_lab_bounds') }} as bounds
        on
            highest.analyte = bounds.analyte
            and bounds.direction = 'above'
            and bounds.chosen
            and highest.sex = bounds.sex
            and (
                {{ value_of_part('highest.reading') }} > bounds.bound
                or ({{ value_of_part('highest.reading') }} = bounds.bound and {{ comparator_of_part('highest.reading') }})
            )
    where not {{ is_open_part('highest.reading', 'false') }}
    group by highest.patient_key, highest.analyte
),

emergent as (
    select found.*
    from values_in_episode as found
    left join baseline on found.patient_key = baseline.patient_key and found.analyte = baseline.analyte
    where found.grade > baseline.grade or baseline.grade is null
)

select
    patient_key,
    max(grade) filter (where analyte in ('alt', 'ast')) as transaminase_grade,
    max(grade) filter (where analyte not in ('alt', 'ast')) as other_grade,
    list_sort(list(evidence)) as evidence
from emergent
group by patient_key
