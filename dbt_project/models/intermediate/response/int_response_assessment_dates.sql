-- A response assessment is a day after the infusion (study day 1 or later) on which marrow or an extramedullary site was
-- looked at. Blood alone is none. One row per patient and day.
{{ config(pre_hook="{{ joins_as_written() }}", post_hook="{{ joins_by_estimate() }}") }}

with looked_at as (
    select
        patient_key,
        sampled_on as assessed_on,
        sampled_on_precision as date_precision,
        source_feed,
        source_extract,
        source_file,
        source_row
    from {{ ref('stg_emr__marrow_assessments') }}
    where blast_percent is not null
    union all
    select patient_key, assessed_on, assessed_on_precision, source_feed, source_extract, source_file, source_row
    from {{ ref('stg_emr__extramedullary_assessments') }}
    where finding is not null
),

files as (
    {{ numbered_files([ref('stg_emr__marrow_assessments'), ref('stg_emr__extramedullary_assessments')]) }}
),

days as (
    select
        looked_at.patient_key,
        looked_at.assessed_on,
        time_zero.infusion_date,
        min(looked_at.date_precision) as date_precision, -- 'day' before 'month' before 'year': one exact row dates the day
        list(struct_pack(file_number := files.file_number, source_row := looked_at.source_row)) as evidence
    from looked_at
    inner join files on {{ of_file('looked_at') }}
    inner join {{ ref('int_time_zero') }} as time_zero on looked_at.patient_key = time_zero.patient_key
    where looked_at.assessed_on > time_zero.infusion_date
    group by looked_at.patient_key, looked_at.assessed_on, time_zero.infusion_date
)

select
    days.patient_key,
    days.assessed_on,
    {{ days_between('days.infusion_date', 'days.assessed_on') }} as study_day,
    days.date_precision,
    {{ named_evidence(each_row_once('days.evidence')) }} as evidence
from days
cross join ({{ list_of_files() }}) as named_files
