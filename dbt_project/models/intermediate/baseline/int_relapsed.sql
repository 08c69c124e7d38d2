-- Relapsed disease: a previous line with outcome relapse; a relapse before the infusion that a visit records, dated by its
-- own day, else by the visit's (known by the month or year of the infusion alone it tells nothing: that one may have come
-- after it); or, from the end of a line with outcome complete_remission on and before the infusion, more marrow blasts
-- than the constant relapse_marrow_blasts_above_percent, any circulating blasts, or an extramedullary site present. Where
-- the line's end is unknown, from the day after its beginning on: the blasts of the diagnosis are none of a relapse.
-- Without a previous line and without a recorded relapse nothing is known (NULL).
-- One row per patient with an infusion.

{%- set signs = {
    'blood': 'circulating blasts after remission',
    'extramedullary': 'extramedullary disease after remission',
    'line': 'line with outcome relapse',
    'marrow': 'marrow blasts after remission',
    'visit': 'relapse recorded at a visit',
} %}

with lines as (
    select lines.*, time_zero.infusion_date
    from {{ ref('int_time_zero') }} as time_zero
    inner join {{ ref('stg_emr__prior_therapies') }} as lines on time_zero.patient_key = lines.patient_key
    where coalesce({{ earliest_day('lines.started_on') }} < time_zero.infusion_date, true)
),

remissions as (
    select patient_key, infusion_date, min(coalesce(ended_on, started_on + 1)) as remission_on
    from lines
    where outcome = 'complete_remission'
    group by patient_key, infusion_date
),

leukemia as (
    select
        patient_key, 'marrow' as found_in, sampled_on as seen_on,
        source_feed, source_extract, source_file, source_row
    from {{ ref('stg_emr__marrow_assessments') }}
    where blast_percent > {{ rule_constant('relapse_marrow_blasts_above_percent') }}
    union all
    select
        patient_key, 'blood', collected_on,
        source_feed, source_extract, source_file, source_row
    from {{ ref('int_circulating_blasts') }}
    where blasts_present
    union all
    select
        patient_key, 'extramedullary', assessed_on,
        source_feed, source_extract, source_file, source_row
    from {{ ref('stg_emr__extramedullary_assessments') }}
    where finding = 'present'
),

signs as (
    select
        patient_key, 'line' as found_in, ended_on as seen_on,
        source_feed, source_extract, source_file, source_row
    from lines
    where outcome = 'relapse'
    union all
    select
        visits.patient_key, 'visit', coalesce(visits.relapse_on, visits.visited_on),
        visits.source_feed, visits.source_extract, visits.source_file, visits.source_row
    from {{ ref('stg_emr__follow_ups') }} as visits
    inner join {{ ref('int_time_zero') }} as time_zero on visits.patient_key = time_zero.patient_key
    where
        (visits.disease_status = 'relapse' or visits.relapse_on is not null)
        and coalesce({{ latest_day('visits.relapse_on') }}, {{ latest_day('visits.visited_on') }}) < time_zero.infusion_date
    union all
    select leukemia.*
    from leukemia
    inner join remissions
        on leukemia.patient_key = remissions.patient_key
        and leukemia.seen_on >= remissions.remission_on
        and leukemia.seen_on < remissions.infusion_date
),

-- A long history repeats the same sign; its first row of each kind is evidence enough.
first_signs as (
    select
        patient_key,
        {%- for found_in in signs %}
        arg_min({{ evidence_struct() }}, row(coalesce(seen_on, date '9999-12-31'), {{ source_order() }}))
            filter (where found_in = '{{ found_in }}') as {{ found_in }}{{ "," if not loop.last }}
        {%- endfor %}
    from signs
    group by patient_key
),

relapses as (
    select
        patient_key,
        concat_ws(
            '; ',
            {%- for found_in, words in signs.items() %}
            case when {{ found_in }} is not null then '{{ words }}' end{{ "," if not loop.last }}
            {%- endfor %}
        ) as relapsed_because,
        list_filter([{{ signs | join(', ') }}], lambda sign: sign is not null) as evidence
    from first_signs
),

known as (
    select distinct patient_key from lines
)

select
    time_zero.patient_key,
    case
        when relapses.patient_key is not null then true
        when known.patient_key is not null then false
    end as relapsed,
    coalesce(relapses.relapsed_because, '') as relapsed_because,
    coalesce(relapses.evidence, []) as evidence
from {{ ref('int_time_zero') }} as time_zero
left join relapses on time_zero.patient_key = relapses.patient_key
left join known on time_zero.patient_key = known.patient_key
