{{ config(severity='warn', meta={
    'rows_depend_on': 'patient',
    'kahn': 'conformance',
    'action': 'Values in this unit are not used: add the unit to the seed lab_units, or map it in the source profile.',
    'dagster': {'ref': {'name': 'stg_emr__lab_results'}},
}) }}
-- Every unit of an analyte that the models read can be converted. The long feed is read only where one can't be,
-- which the word materialized sees to: else all its rows would meet the units first.
with unknown as materialized (
    select analytes.analyte, labs.loinc, labs.unit
    from (select distinct loinc, unit from {{ lake_rows('lab_results') }} as lake) as labs
    inner join {{ ref('lab_analytes') }} as analytes on labs.loinc = analytes.loinc
    {{ unit_join() }}
    where labs.unit is not null and units.factor is null
)

select unknown.analyte, labs.unit, count(*) as n_rows
from {{ ref('stg_emr__lab_results') }} as labs
inner join unknown on labs.loinc = unknown.loinc and labs.unit = unknown.unit
group by unknown.analyte, labs.unit
