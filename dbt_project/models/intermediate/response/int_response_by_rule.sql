-- What each assessment is under each rule set, with its rank and whether it counts as complete remission.
--   paper:  CR = leukaemia-free, whatever the counts.
--   eln:    leukaemia-free; CR needs neutrophils and platelets above their bounds, CRh both at or above lower ones, CRi
--           one of the two above its bound; else MLFS. A count that was not measured is not shown to have recovered.
--   cibmtr: CR = leukaemia-free and held at least 28 days: no sign of leukaemia and no death from that day on before then, and the patient
--           seen that long (an assessment, a visit or a death on or after that day).
-- Bounds, ranks and what counts as complete remission: seed response_categories. One row per patient, assessment day, rule
-- set. The rows that show it stand with the findings, not here in three copies: four million assessments with their lists
-- in each of these joins went to disk. A reader joins them to the few rows that it keeps (macro response_evidence).

with leukemia_free_days as (
    select
        findings.patient_key,
        findings.assessed_on,
        min(leukemia.found_on) as next_leukemia_on
    from {{ ref('int_response_findings') }} as findings
    left join {{ ref('int_leukemia_findings') }} as leukemia
        on findings.patient_key = leukemia.patient_key and findings.assessed_on <= leukemia.found_on
    where findings.leukemia_free
    group by findings.patient_key, findings.assessed_on
),

last_assessments as (
    select patient_key, max(assessed_on) as last_assessed_on
    from {{ ref('int_response_assessment_dates') }}
    group by patient_key
),

held as (
    select
        free.patient_key,
        free.assessed_on,
        coalesce(
            {{ days_between('free.assessed_on', 'least(free.next_leukemia_on, contact.death_date)') }}
            >= {{ rule_constant('held_days') }},
            true
        )
        and {{ days_between('free.assessed_on', 'greatest(last_assessments.last_assessed_on, contact.last_contact_date)') }}
        >= {{ rule_constant('held_days') }} as held
    from leukemia_free_days as free
    inner join last_assessments on free.patient_key = last_assessments.patient_key
    left join {{ ref('int_last_contact') }} as contact on free.patient_key = contact.patient_key
),

counted as (
    select
        findings.*,
        coalesce({{ is_above('counts.neutrophils', 'counts.neutrophils_comparator', 'full_recovery.neutrophils_bound') }}, false)
            as neutrophils_recovered,
        coalesce({{ is_above('counts.platelets', 'counts.platelets_comparator', 'full_recovery.platelets_bound') }}, false)
            as platelets_recovered,
        coalesce(
            counts.neutrophils >= partial_recovery.neutrophils_bound
            and counts.platelets >= partial_recovery.platelets_bound
            and coalesce(counts.neutrophils_comparator, '') not in ('<', '<=')
            and coalesce(counts.platelets_comparator, '') not in ('<', '<='),
            false
        ) as partly_recovered
    from {{ ref('int_response_findings') }} as findings
    cross join {{ ref('response_categories') }} as full_recovery
    cross join {{ ref('response_categories') }} as partial_recovery
    left join {{ ref('int_assessment_counts') }} as counts
        on findings.patient_key = counts.patient_key and findings.assessed_on = counts.assessed_on
    where
        full_recovery.rule_set = 'eln' and full_recovery.response = 'CR'
        and partial_recovery.rule_set = 'eln' and partial_recovery.response = 'CRh'
),

decided as (
    select
        counted.patient_key,
        counted.assessed_on,
        counted.study_day,
        counted.date_precision,
        case when counted.leukemia_free then 'CR' else 'NR' end as paper,
        case
            when not counted.leukemia_free then 'NR'
            when counted.neutrophils_recovered and counted.platelets_recovered then 'CR'
            when counted.partly_recovered then 'CRh'
            when counted.neutrophils_recovered or counted.platelets_recovered then 'CRi'
            else 'MLFS'
        end as eln,
        case when not counted.leukemia_free then 'NR' when held.held then 'CR' else 'CR not held' end as cibmtr
    from counted
    left join held on counted.patient_key = held.patient_key and counted.assessed_on = held.assessed_on
),

under_each_rule as (
    select * exclude (paper, eln, cibmtr), 'paper' as rule_set, paper as response
    from decided
    union all
    select * exclude (paper, eln, cibmtr), 'eln', eln
    from decided
    union all
    select * exclude (paper, eln, cibmtr), 'cibmtr', cibmtr
    from decided
)

select
    responses.patient_key,
    responses.assessed_on,
    responses.study_day,
    responses.date_precision,
    responses.rule_set,
    responses.response,
    categories.rank as response_rank,
    categories.counts_as_complete_remission as complete_remission
from under_each_rule as responses
inner join {{ ref('response_categories') }} as categories
    on responses.rule_set = categories.rule_set and responses.response = categories.response
