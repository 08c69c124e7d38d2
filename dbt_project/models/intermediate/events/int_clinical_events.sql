-- Every dated clinical event of a patient with an infusion, each with the one source row that dates it: infusions,
-- response milestones, relapse, treatment failure, transplants, death, therapies after the infusion, adverse events,
-- intensive care and drugs against CRS, last contact. One row per event and source row.
-- A view: its one reader, marts.events, stores these very rows in order and tests their grain. Stored and tested here too they
-- took 10 s of a million patients.
{{ config(materialized='view', database='unpublished') }}

with assessment_rows as (
    -- The last of a day's rows in order of feed is the marrow's, where there is one.
    select patient_key, assessed_on, evidence[-1] as deciding_row
    from {{ ref('int_response_assessment_dates') }}
),

events as (
    select
        infusions.patient_key,
        'infusion' as event_type,
        cast(infusions.infused_at as date) as event_date,
        infusions.cells_per_kg as value,
        cast(null as integer) as grade,
        concat_ws(
            ', ', infusions.target, 'course ' || coalesce(infusions.course, 1), 'fraction ' || coalesce(infusions.fraction, 1)
        ) as detail,
        {{ evidence_struct() }} as deciding_row
    from {{ ref('stg_emr__cart_infusions') }} as infusions
    union all
    select remission.patient_key, 'complete_remission', remission.complete_remission_date, null, null, null,
        days.deciding_row
    from {{ ref('int_first_complete_remission') }} as remission
    inner join assessment_rows as days
        on remission.patient_key = days.patient_key and remission.complete_remission_date = days.assessed_on
    union all
    select mrd.patient_key, 'mrd_negative', mrd.mrd_negative_date, null, null, null,
        coalesce(days.deciding_row, mrd.deciding_row)
    from {{ ref('int_first_mrd_negative') }} as mrd
    left join assessment_rows as days
        on mrd.patient_key = days.patient_key and mrd.mrd_negative_date = days.assessed_on
        and mrd.first_negative_sample_on < mrd.mrd_negative_date
    union all
    select failures.patient_key, 'treatment_failure', failures.failure_date, null, null, null,
        days.deciding_row
    from {{ ref('int_treatment_failures') }} as failures
    inner join assessment_rows as days
        on failures.patient_key = days.patient_key and failures.failure_date = days.assessed_on
    union all
    select patient_key, 'relapse', relapse_date, value, null, concat_ws(': ', found_in, detail),
        deciding_row
    from {{ ref('int_first_relapse') }}
    union all
    select patient_key, 'death', death_date, null, null, cause_of_death, evidence[1]
    from {{ ref('int_deaths') }}
    union all
    select patient_key, 'allo_hsct', hsct_date, null, null, detail, evidence[1]
    from {{ ref('int_allo_transplants') }}
    union all
    select patient_key, 'subsequent_therapy', started_on, null, null, therapy, evidence[1]
    from {{ ref('int_subsequent_therapies') }}
    union all
    select patient_key, 'adverse_event', started_on, null, grade, term, {{ evidence_struct() }}
    from {{ ref('int_recorded_adverse_events') }}
    where started_on is not null
    union all
    select patient_key, 'icu_admission', admitted_on, null, null, null, {{ evidence_struct() }}
    from {{ ref('int_icu_admissions') }}
    union all
    select patient_key, 'crs_treatment', started_on, dose, null, concat_ws(' ', ingredient, dose_unit), {{ evidence_struct() }}
    from {{ ref('int_crs_treatments') }}
    union all
    select patient_key, 'last_contact', last_contact_date, null, null, null, evidence[1]
    from {{ ref('int_last_contact') }}
)

select
    events.patient_key,
    events.event_type,
    events.event_date,
    cast({{ days_between('time_zero.infusion_date', 'events.event_date') }} as integer) as study_day,
    cast(events.value as double) as value,
    cast(events.grade as integer) as grade,
    events.detail,
    {{ source_columns('events.deciding_row') }}
from events
inner join {{ ref('int_time_zero') }} as time_zero on events.patient_key = time_zero.patient_key
where events.event_date is not null
