-- The latest dated clinical row of a patient who has no follow-up visit after the infusion: what stands in for last
-- contact. One row per such patient. Long feeds are scanned once, by patient.

with without_visit as (
    select patient_key, infusion_date
    from {{ ref('int_time_zero') }} as time_zero
    where not exists (
        select 1
        from {{ ref('stg_emr__follow_ups') }} as visits
        where visits.patient_key = time_zero.patient_key and visits.visited_on >= time_zero.infusion_date
    )
),

{%- set dated = {
    'marrow_assessments': 'sampled_on', 'mrd_results': 'sampled_on', 'extramedullary_assessments': 'assessed_on',
    'lab_results': 'collected_at', 'vital_signs': 'measured_at', 'medications': 'started_at',
    'cart_infusions': 'infused_at', 'adverse_events': 'started_on', 'encounters': 'admitted_at',
    'procedures': 'performed_on',
} %}

latest as (
{%- for feed, dated_by in dated.items() %}
    select
        rows.patient_key,
        max(cast(rows.{{ dated_by }} as date)) as latest_on,
        arg_max({{ evidence_struct('rows.') }}, (cast(rows.{{ dated_by }} as date), {{ source_order('rows.') }})) as evidence
    from {{ ref('stg_emr__' ~ feed) }} as rows
    inner join without_visit on rows.patient_key = without_visit.patient_key
    where cast(rows.{{ dated_by }} as date) >= without_visit.infusion_date
    group by rows.patient_key
    {{- " union all" if not loop.last }}
{%- endfor %}
)

select
    patient_key,
    latest_on,
    list_value(evidence) as evidence
from latest
qualify row_number() over (partition by patient_key order by latest_on desc, evidence) = 1
