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

with_history as (
    select
        *,
        coalesce(bool_or(status = 'positive') over (
            partition by patient_key, method, lower(coalesce(target, ''))
            order by sampled_on
            range between unbounded preceding and interval 1 day preceding
        ), false) as was_positive
    from verdicts
    where sampled_on is not null and status is not null
)

select
    patient_key,
    sampled_on,
    sampled_on_precision as date_precision,
    method,
    target,
    value_percent,
    status,
    status = 'negative' and (method = 'flow' or was_positive) as counts_as_negative,
    source_feed,
    source_extract,
    source_file,
    source_row
from with_history
