-- Minimal residual disease, one verdict per result: by flow negative below the study's percentage (where the laboratory
-- gives no figure, or one that leaves it open such as "<0.1", its own verdict counts); by qPCR the laboratory's verdict,
-- else any transcript is positive ("<0.001" shows none).
-- `counts_as_negative` is what the paper calls MRD negative: flow negative, or qPCR negative on a day after an earlier
-- positive of the same target. One row per MRD result. Source: paper, definitions.

with verdicts as (
    select
        *,
        case
            when method = 'flow' then
                case
                    when value_percent is null then result
                    when {{ is_below('value_percent', 'value_percent_comparator', study('response.mrd_negative_below_percent')) }}
                        then 'negative'
                    when coalesce(value_percent_comparator, '>') in ('<', '<=') then result
                    when value_percent_comparator is null
                        or value_percent >= {{ study('response.mrd_negative_below_percent') }} then 'positive'
                    else result
                end
            when result is not null then result
            when value_percent_comparator in ('<', '<=') then 'negative'
            when value_percent > 0 then 'positive'
            when value_percent is not null then 'negative'
        end as status
    from {{ ref('stg_emr__mrd_results') }}
),

-- The earliest positive day tells what a window over every result would, and needs no sort of the feed.
first_positives as (
    select
        patient_key,
        method,
        lower(coalesce(target, '')) as target,
        min(sampled_on) as first_positive_on
    from verdicts
    where status = 'positive'
    group by patient_key, method, lower(coalesce(target, ''))
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
    on
        verdicts.patient_key = first_positives.patient_key
        and verdicts.method is not distinct from first_positives.method
        and lower(coalesce(verdicts.target, '')) = first_positives.target
where verdicts.sampled_on is not null and verdicts.status is not null
