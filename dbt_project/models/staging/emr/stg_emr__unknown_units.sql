-- Units of the laboratory feed in which an analyte that the models read can't be converted. Told from the lake's text, so
-- that the long feed's values are read only where there is such a unit (a table, because the planner then knows how few).
-- One row per LOINC code and unit.
{{ config(materialized='table') }}
{%- do source('raw', 'lab_results') %}

select
    labs.loinc,
    labs.unit
from (select distinct loinc, unit from {{ lake_rows('lab_results') }} as lake) as labs
inner join {{ ref('lab_analytes') }} as analytes on labs.loinc = analytes.loinc
{{ unit_join() }}
where labs.unit is not null and units.factor is null
