-- The flow of patients from all known to all studied: criterion after criterion, how many left and how many remain. A
-- patient who fails several leaves at the first. Criteria that the study file leaves empty are no step.
-- One row per step; step 0 is every patient known.
{%- set applied = cohort_criteria() | selectattr('applied') | list %}

with exits as (
    select
        case
            {%- for criterion in applied %}
            when not meets_{{ criterion.name }} then {{ loop.index }}
            {%- endfor %}
        end as step,
        count(*) as n
    from {{ ref('int_cohort') }}
    group by all
),

steps as (
    select 0 as step, 'patients known' as criterion
    {%- for criterion in applied %}
    union all
    select {{ loop.index }}, {{ sql_text(criterion.criterion) }}
    {%- endfor %}
),

counted as (
    select
        steps.step,
        steps.criterion,
        coalesce(exits.n, 0) as n_excluded,
        (select count(*) from {{ ref('int_cohort') }}) as n_known
    from steps
    left join exits on steps.step = exits.step
)

select
    cast(step as integer) as step,
    criterion,
    cast(n_excluded as bigint) as n_excluded,
    cast(n_known - sum(n_excluded) over (order by step rows between unbounded preceding and current row) as bigint)
        as n_remaining
from counted
