-- Minimal residual disease, one verdict per result: by flow negative below the study's percentage (where the laboratory
-- gives no figure, or one that leaves it open such as "<0.1", its own verdict counts); by qPCR the laboratory's verdict,
-- else any transcript is positive ("<0.001" shows none).
-- `counts_as_negative` is what the paper calls MRD negative: flow negative, or qPCR negative of a fusion transcript on a day
-- after an earlier positive of the same one, by whichever of its names (seed genes). A target that the seed does not know
-- is a fusion where it names two genes (A/B, A-B, A::B), no target at all is the patient's one.
-- One row per MRD result. Source: paper, definitions.

{%- set negative_below = study('response.mrd_negative_below_percent') %}

with named as (
    select distinct target
    from {{ ref('stg_emr__mrd_results') }}
    where method = 'qpcr' and target is not null
),

targets as (
    select
        named.target,
        coalesce(genes.gene, {{ gene_alias('named.target') }}) as transcript,
        genes.gene is not null or regexp_matches(named.target, '\w\s*(/|-|–|::)\s*\w') as is_fusion
    from named
    left join {{ ref('genes') }} as genes on {{ gene_alias('named.target') }} = genes.alias and genes.kind = 'fusion'
),

verdicts as (
    select
        results.*,
        case when results.method = 'qpcr' then coalesce(targets.transcript, '') end as transcript,
        case when results.method = 'qpcr' then coalesce(targets.is_fusion, true) end as is_fusion,
        case
            when results.method = 'flow' then
                case
                    when results.value_percent is null then results.result
                    when {{ is_below('results.value_percent', 'results.value_percent_comparator', negative_below) }}
                        then 'negative'
                    when coalesce(results.value_percent_comparator, '>') in ('<', '<=') then results.result
                    when results.value_percent_comparator is null
                        or results.value_percent >= {{ negative_below }} then 'positive'
                    else results.result
                end
            when results.result is not null then results.result
            when results.value_percent_comparator in ('<', '<=') then 'negative'
            when results.value_percent > 0 then 'positive'
            when results.value_percent is not null then 'negative'
        end as status
    from {{ ref('stg_emr__mrd_results') }} as results
    left join targets on results.target = targets.target
),

-- The earliest positive day tells what a window over every result would, and needs no sort of the feed.
first_positives as (
    select
        patient_key,
        transcript,
        min(sampled_on) as first_positive_on
    from verdicts
    where status = 'positive' and is_fusion
    group by patient_key, transcript
)

select
    verdicts.patient_key,
    verdicts.sampled_on,
    verdicts.sampled_on_precision as date_precision,
    verdicts.method,
    verdicts.target,
    verdicts.value_percent,
    verdicts.status,
    verdicts.status = 'negative'
    and (verdicts.method = 'flow' or coalesce(first_positives.first_positive_on < verdicts.sampled_on, false))
        as counts_as_negative,
    verdicts.source_feed,
    verdicts.source_extract,
    verdicts.source_file,
    verdicts.source_row
from verdicts
left join first_positives
    on verdicts.patient_key = first_positives.patient_key and verdicts.transcript = first_positives.transcript
where verdicts.sampled_on is not null and verdicts.status is not null
