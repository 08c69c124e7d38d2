-- Worst grade of each adverse event by phase: events as recorded, and haematologic toxicity graded from laboratory values, ICANS from ICE scores.
-- Where the study derives CRS, the CRS row carries the derived grade. An event of the phase "hsct" in a patient without a
-- transplant after the infusion keeps its row, flagged `without_transplant`. One row per patient, term and phase.
-- A term that stands once in its phase is its own worst grade, with its evidence as it is (in order, each source row once):
-- only the few repeated ones are aggregated, for lists of lists of evidence cost three times the rest of this model.

with crs_rule as (
    select '{{ study('rules.crs') }}' as name
),

rated as (
    select
        events.patient_key,
        events.phase,
        events.term,
        events.parent_term,
        events.grade,
        events.grading_scale,
        events.study_day,
        events.without_transplant,
        {{ evidence_list('events.') }} as evidence
    from {{ ref('int_recorded_adverse_events') }} as events
    cross join crs_rule
    where crs_rule.name = 'recorded' or coalesce(events.concept, '') <> 'crs' or events.phase <> 'cart'
    union all
    select
        crs.patient_key,
        'cart',
        'CRS',
        null,
        crs.crs_grade,
        crs.grading_scale,
        {{ days_between('time_zero.infusion_date', 'crs.crs_onset_date') }},
        false,
        crs.evidence
    from {{ ref('int_crs_by_rule') }} as crs
    inner join {{ ref('int_time_zero') }} as time_zero on crs.patient_key = time_zero.patient_key
    where crs.chosen and crs.rule_set <> 'recorded' and crs.crs_grade > 0
    union all
    select
        patient_key,
        'cart',
        'hematologic toxicity',
        null,
        worst_grade,
        'CTCAE{{ study('rules.ctcae') }}',
        first_study_day,
        false,
        evidence
    from {{ ref('int_hematologic_toxicity') }}
    where worst_grade > 0
    union all
    select
        patient_key,
        'cart',
        'ICANS',
        null,
        grade,
        'ASTCT2019',
        study_day,
        false,
        evidence
    from {{ ref('int_icans') }}
    where grade is not null
),

repeated as (
    select
        patient_key,
        phase,
        term
    from rated
    group by patient_key, phase, term
    having count(*) > 1
),

worst_of_repeated as (
    select
        patient_key,
        phase,
        term,
        first(parent_term order by grade desc nulls last, study_day, parent_term) as parent_term,
        max(grade) as grade,
        first(grading_scale order by grade desc nulls last, study_day, grading_scale) as grading_scale,
        min(study_day) as study_day,
        bool_and(without_transplant) as without_transplant,
        list_sort(list_distinct(flatten(list(evidence)))) as evidence
    from rated
    where (patient_key, phase, term) in (select (repeated.patient_key, repeated.phase, repeated.term) from repeated)
    group by patient_key, phase, term
),

worst as (
    select * from worst_of_repeated
    union all
    select
        patient_key,
        phase,
        term,
        parent_term,
        grade,
        grading_scale,
        study_day,
        without_transplant,
        evidence
    from rated
    where (patient_key, phase, term) not in (select (repeated.patient_key, repeated.phase, repeated.term) from repeated)
)

select
    patient_key,
    phase,
    term,
    parent_term,
    cast(grade as integer) as worst_grade,
    grading_scale,
    cast(study_day as integer) as first_study_day,
    without_transplant,
    evidence
from worst
order by patient_key, phase, term
