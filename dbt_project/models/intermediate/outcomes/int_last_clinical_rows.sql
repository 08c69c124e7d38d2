-- The latest dated clinical row of a patient who has no follow-up visit from the infusion on: what stands in for last
-- contact; the infusion itself at the least. One row per such patient. Long feeds are scanned once, by patient.

{%- set dated = {
    'marrow_assessments': 'sampled_on', 'mrd_results': 'sampled_on', 'extramedullary_assessments': 'assessed_on',
    'lab_results': 'collected_at', 'vital_signs': 'measured_at', 'medications': 'started_at',
    'cart_infusions': 'infused_at', 'adverse_events': 'started_on', 'encounters': 'admitted_at',
    'procedures': 'performed_on',
} %}

with latest as (
{%- for feed, dated_by in dated.items() %}
    select
        patient_key,
        max(cast({{ dated_by }} as date)) as latest_on,
        arg_max({{ evidence_struct() }}, (cast({{ dated_by }} as date), {{ source_order() }})) as evidence
    from {{ ref('stg_emr__' ~ feed) }}
    where patient_key in (select without_visit.patient_key from {{ ref('int_patients_without_visit') }} as without_visit)
        and {{ dated_by }} is not null
    group by patient_key
    {{- " union all" if not loop.last }}
{%- endfor %}
)

select
    patient_key,
    latest_on,
    list_value(evidence) as evidence
from latest
qualify row_number() over (partition by patient_key order by latest_on desc, evidence) = 1
