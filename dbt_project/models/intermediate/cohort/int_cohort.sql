-- Who is studied: every criterion that the study file applies is met. Nobody is dropped: an excluded patient stays, with
-- every reason, in the order of the flow diagram. One row per patient known.
-- depends_on: {{ ref('int_eligible_infused') }}, {{ ref('int_eligible_diagnosis') }}
-- depends_on: {{ ref('int_eligible_relapsed_or_refractory') }}, {{ ref('int_eligible_infusion_window') }}
-- depends_on: {{ ref('int_eligible_no_excluded_diagnosis') }}, {{ ref('int_eligible_follow_up') }}
{%- set criteria = cohort_criteria() %}

with flags as (
    select
        patients.patient_key
        {%- for criterion in criteria %},
        {{ criterion.name }}.is_met as meets_{{ criterion.name }}
        {%- endfor %}
    from {{ ref('stg_emr__patients') }} as patients
    {%- for criterion in criteria %}
    inner join {{ ref('int_eligible_' ~ criterion.name) }} as {{ criterion.name }}
        on patients.patient_key = {{ criterion.name }}.patient_key
    {%- endfor %}
)

select
    flags.patient_key,
    {% for criterion in criteria %}flags.meets_{{ criterion.name }}{{ " and " if not loop.last }}{% endfor %} as included,
    nullif(concat_ws(
        '; '
        {%- for criterion in criteria %},
        case when not flags.meets_{{ criterion.name }} then {{ sql_text(criterion.reason) }} end
        {%- endfor %}
    ), '') as exclusion_reason,
    {%- for criterion in criteria %}
    flags.meets_{{ criterion.name }},
    {%- endfor %}
    time_zero.infusion_date
from flags
left join {{ ref('int_time_zero') }} as time_zero on flags.patient_key = time_zero.patient_key
