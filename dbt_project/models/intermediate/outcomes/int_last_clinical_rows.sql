-- The latest dated clinical row of a patient who has no follow-up visit from the infusion on: what stands in for last
-- contact; the infusion itself at the least. A stay, a drug or an adverse event lasts until its end, where that is not after
-- the cut-off (planned, or not yet known then). One row per such patient. Long feeds are scanned once, by patient.

{%- set dated = {
    'marrow_assessments': 'sampled_on', 'mrd_results': 'sampled_on', 'extramedullary_assessments': 'assessed_on',
    'molecular_findings': 'sampled_on', 'lab_results': 'collected_at', 'vital_signs': 'measured_at',
    'medications': 'started_at', 'cart_infusions': 'infused_at', 'adverse_events': 'started_on',
    'encounters': 'admitted_at', 'procedures': 'performed_on',
} %}
{%- set ended = {'medications': 'ended_at', 'adverse_events': 'ended_on', 'encounters': 'discharged_at'} %}

with ends as (
{%- for feed, ended_by in ended.items() %}
    select
        patient_key,
        cast({{ ended_by }} as date) as ended_on,
        {{ evidence_struct() }} as evidence
    from {{ ref('stg_emr__' ~ feed) }}
    {{- " union all" if not loop.last }}
{%- endfor %}
),

latest as (
{%- for feed, dated_by in dated.items() %}
    select
        patient_key,
        max(cast({{ dated_by }} as date)) as latest_on,
        arg_max({{ evidence_struct() }}, (cast({{ dated_by }} as date), {{ source_order() }})) as evidence
    from {{ ref('stg_emr__' ~ feed) }}
    where patient_key in (select without_visit.patient_key from {{ ref('int_patients_without_visit') }} as without_visit)
        and {{ dated_by }} is not null
    group by patient_key
    union all
{%- endfor %}
    select
        patient_key,
        max(ended_on) as latest_on,
        arg_max(evidence, (ended_on, evidence)) as evidence
    from ends
    where patient_key in (select without_visit.patient_key from {{ ref('int_patients_without_visit') }} as without_visit)
        and ended_on <= {{ data_cutoff() }}
    group by patient_key
)

select
    patient_key,
    latest_on,
    list_value(evidence) as evidence
from latest
qualify row_number() over (partition by patient_key order by latest_on desc, evidence) = 1
