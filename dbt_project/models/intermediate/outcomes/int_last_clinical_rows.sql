-- The latest dated clinical row of a patient who has no follow-up visit from the infusion on: what stands in for last
-- contact; the infusion itself at the least. A stay, a drug or an adverse event lasts until its end, where that is not after
-- the cut-off (planned, or not yet known then). One row per such patient. Long feeds are scanned once, by patient.

{%- set dated = {
    'marrow_assessments': ['sampled_on'], 'mrd_results': ['sampled_on'], 'extramedullary_assessments': ['assessed_on'],
    'molecular_findings': ['sampled_on'], 'lab_results': ['collected_at'], 'vital_signs': ['measured_at'],
    'medications': ['started_at', 'ended_at'], 'cart_infusions': ['infused_at'],
    'adverse_events': ['started_on', 'ended_on'], 'encounters': ['admitted_at', 'discharged_at'],
    'procedures': ['performed_on'],
} %}

with latest as (
{%- for feed, days in dated.items() %}
    {%- set day %}cast({{ days[0] }} as date){% endset %}
    {%- if days | length > 1 %}
    {%- set day %}greatest({{ day }}, case when cast({{ days[1] }} as date) <= {{ data_cutoff() }} then cast({{ days[1] }} as date) end){% endset %}
    {%- endif %}
    select
        patient_key,
        max({{ day }}) as latest_on,
        arg_max({{ evidence_struct() }}, ({{ day }}, {{ source_order() }})) as evidence
    from {{ ref('stg_emr__' ~ feed) }}
    where patient_key in (select without_visit.patient_key from {{ ref('int_patients_without_visit') }} as without_visit)
        and {{ days[0] }} is not null
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
