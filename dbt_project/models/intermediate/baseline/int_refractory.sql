-- Refractory disease, as the paper defines it: an induction line without remission; or MRD persistently positive (a line
-- with that outcome, or results that stay positive for at least the constant mrd_persistence_days before the infusion with
-- no negative between); and, where the study file says so, extramedullary disease at baseline.
-- Without a previous line, an MRD result or a sign of it nothing is known (NULL). One row per patient with an infusion.
with lines as (
    select
        lines.patient_key,
        bool_or(lines.phase = 'induction' and lines.outcome = 'no_remission') as induction_failed,
        bool_or(lines.outcome = 'mrd_persistent') as mrd_persistent,
        list({{ evidence_struct('lines.') }}) filter (
            where (lines.phase = 'induction' and lines.outcome = 'no_remission') or lines.outcome = 'mrd_persistent'
        ) as evidence
    from {{ ref('stg_emr__prior_therapies') }} as lines
    inner join {{ ref('int_time_zero') }} as time_zero on lines.patient_key = time_zero.patient_key
    where coalesce({{ earliest_day('lines.started_on') }} < time_zero.infusion_date, true)
    group by lines.patient_key
),

-- Every positive result between two negative days is of one stretch. On one day a negative result of any method ends a
-- stretch: the negatives of a positive's own day are counted with those before it.
mrd_before_infusion as (
    select
        mrd.patient_key,
        mrd.sampled_on,
        mrd.status,
        count(*) filter (where mrd.status = 'negative') over (
            partition by mrd.patient_key order by mrd.sampled_on
        ) as stretch
    from {{ ref('int_mrd_findings') }} as mrd
    inner join {{ ref('int_time_zero') }} as time_zero
        on mrd.patient_key = time_zero.patient_key and mrd.sampled_on < time_zero.infusion_date
),

persistent_stretches as (
    select
        patient_key,
        stretch,
        min(sampled_on) as first_on,
        max(sampled_on) as last_on
    from mrd_before_infusion
    where status = 'positive'
    group by patient_key, stretch
    having date_diff('day', min(sampled_on), max(sampled_on)) >= {{ rule_constant('mrd_persistence_days') }}
),

first_persistent_stretches as (
    select
        patient_key,
        min(first_on) as first_on,
        min(last_on) as last_on
    from persistent_stretches
    group by patient_key
),

-- The rows of the few stretches that persist are fetched by their days: carried through window and groups they cost twice.
persistent_evidence as (
    select
        mrd.patient_key,
        list({{ evidence_struct('mrd.') }}) as evidence
    from {{ ref('int_mrd_findings') }} as mrd
    inner join first_persistent_stretches as stretches
        on mrd.patient_key = stretches.patient_key
        and mrd.sampled_on between stretches.first_on and stretches.last_on
    where mrd.status = 'positive'
    group by mrd.patient_key
),

mrd as (
    select
        measured.patient_key,
        persistent_evidence.patient_key is not null as mrd_stayed_positive,
        persistent_evidence.evidence
    from (select distinct patient_key from mrd_before_infusion) as measured
    left join persistent_evidence on measured.patient_key = persistent_evidence.patient_key
),

signs as (
    select
        time_zero.patient_key,
        lines.induction_failed,
        coalesce(lines.mrd_persistent, false) or coalesce(mrd.mrd_stayed_positive, false) as mrd_persistent,
        {% if study('rules.refractory_includes_extramedullary') -%}
        coalesce(extramedullary.extramedullary_disease, false)
        {%- else -%} false {%- endif %} as counts_extramedullary,
        lines.patient_key is not null or mrd.patient_key is not null as is_known,
        {{ merge_evidence(['lines.evidence', 'mrd.evidence']) }} as evidence,
        extramedullary.evidence as extramedullary_evidence
    from {{ ref('int_time_zero') }} as time_zero
    left join lines on time_zero.patient_key = lines.patient_key
    left join mrd on time_zero.patient_key = mrd.patient_key
    left join {{ ref('int_baseline_extramedullary') }} as extramedullary
        on time_zero.patient_key = extramedullary.patient_key
)

select
    patient_key,
    case
        when coalesce(induction_failed, false) or mrd_persistent or counts_extramedullary then true
        when is_known then false
    end as refractory,
    concat_ws(
        '; ',
        case when induction_failed then 'induction without remission' end,
        case when mrd_persistent then 'MRD persistently positive' end,
        case when counts_extramedullary then 'extramedullary disease' end
    ) as refractory_because,
    case
        when counts_extramedullary then {{ merge_evidence(['evidence', 'extramedullary_evidence']) }}
        else evidence
    end as evidence
from signs
