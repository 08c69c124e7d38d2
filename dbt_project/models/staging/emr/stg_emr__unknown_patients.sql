-- Patients of whom some feed tells though the patients feed does not know them: their rows are rejected.
-- One row per unknown patient.
{{ config(materialized='table') }}

select distinct stored.patient_key
from (
    {%- for feed in feed_names() if feed != 'patients' %}
    {%- do source('raw', feed) %}
    select patient_key from {{ lake_rows(feed) }}
    {{ "union all" if not loop.last }}
    {%- endfor %}
) as stored
where stored.patient_key not in (select known.patient_key from {{ lake_relation('patients', unique=false) }} as known)
