{{ config(severity='warn', meta={
    'kahn': 'conformance',
    'action': 'Values in this unit are not used: add the unit to the seed lab_units, or map it in the source profile.',
    'dagster': {'ref': {'name': 'stg_emr__lab_results'}},
}) }}
-- Every unit of an analyte that the models read can be converted.
select analytes.analyte, labs.unit, count(*) as n_rows
from {{ ref('stg_emr__lab_results') }} as labs
inner join {{ ref('stg_emr__unknown_units') }} as unknown on labs.loinc = unknown.loinc and labs.unit = unknown.unit
inner join {{ ref('lab_analytes') }} as analytes on labs.loinc = analytes.loinc
group by analytes.analyte, labs.unit
