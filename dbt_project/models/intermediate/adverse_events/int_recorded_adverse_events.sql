-- Adverse events as recorded, from the infusion on (an event dated before it is none of the treatment's; one without a
-- date stays). Term trimmed, otherwise as it stands; phase as recorded, else "hsct" from the first transplant after the
-- infusion on and "cart" before. One row per recorded adverse event of a patient with an infusion.
{{ config(pre_hook="{{ joins_as_written() }}", post_hook="{{ joins_by_estimate() }}") }}

with in_course as (
    select
        events.*,
        trim(events.term) as event_term,
        concepts.concept,
        transplants.hsct_date,
        {{ days_between('time_zero.infusion_date', 'events.started_on') }} as study_day
    from {{ ref('stg_emr__adverse_events') }} as events
    inner join {{ ref('int_time_zero') }} as time_zero on events.patient_key = time_zero.patient_key
    left join {{ ref('adverse_event_concepts') }} as concepts on lower(trim(events.term)) = concepts.term
    left join {{ ref('int_allo_transplants') }} as transplants
        on events.patient_key = transplants.patient_key and transplants.first_after_infusion
    where trim(events.term) <> '' and (events.started_on is null or events.started_on >= time_zero.infusion_date)
)

select
    events.patient_key,
    events.event_id,
    coalesce(events.phase, case when events.started_on >= events.hsct_date then 'hsct' else 'cart' end) as phase,
    events.event_term as term,
    events.concept,
    parents.event_term as parent_term,
    parents.concept as parent_concept,
    events.grade,
    events.grading_scale,
    events.started_on,
    events.ended_on,
    events.study_day,
    coalesce(events.phase, '') = 'hsct' and events.hsct_date is null as without_transplant,
    events.source_feed,
    events.source_extract,
    events.source_file,
    events.source_row
from in_course as events
left join in_course as parents
    on events.patient_key = parents.patient_key and events.parent_event_id = parents.event_id
