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

-- On one day a negative result of any method ends a positive stretch, so negatives come first.
mrd_stretches as (
    select
        mrd.*,
        count(*) filter (where mrd.status = 'negative') over (
            partition by mrd.patient_key
            order by mrd.sampled_on, (mrd.status = 'positive'), {{ source_order('mrd.') }}
            rows between unbounded preceding and current row
        ) as stretch
    from {{ ref('int_mrd_findings') }} as mrd
    inner join {{ ref('int_time_zero') }} as time_zero
        on mrd.patient_key = time_zero.patient_key and mrd.sampled_on < time_zero.infusion_date
),

persistent_stretches as (
    select
        patient_key,
        stretch,
        list({{ evidence_struct() }} order by sampled_on, {{ source_order() }}) as evidence
    from mrd_stretches
    where status = 'positive'
    group by patient_key, stretch
    having date_diff('day', min(sampled_on), max(sampled_on)) >= {{ rule_constant('mrd_persistence_days') }}
),

mrd as (
    select
        mrd_stretches.patient_key,
        count(persistent_stretches.stretch) > 0 as mrd_stayed_positive,
        arg_min(persistent_stretches.evidence, persistent_stretches.stretch) as evidence
    from mrd_stretches
    left join persistent_stretches
        on mrd_stretches.patient_key = persistent_stretches.patient_key
        and mrd_stretches.stretch = persistent_stretches.stretch
    group by mrd_stretches.patient_key
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
