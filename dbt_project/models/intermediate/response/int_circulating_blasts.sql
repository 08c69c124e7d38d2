-- Circulating blasts: every blood blast percentage, and whether it shows blasts at all (above 0; "<1" shows none).
-- One row per lab row of LOINC 26446-6 in blood (where the specimen is not named, too) of an infused patient. Source: paper, CR needs the absence of circulating blasts.
-- The one scan of the long lab feed that response and relapse need.

select
    labs.patient_key,
    cast(labs.collected_at as date) as collected_on,
    labs.value as blast_percent,
    case
        when labs.value_comparator in ('<', '<=') then false
        when labs.value_comparator = '>' then true
        else labs.value > 0
    end as blasts_present,
    labs.source_feed,
    labs.source_extract,
    labs.source_file,
    labs.source_row
from {{ ref('stg_emr__lab_results') }} as labs
inner join {{ ref('lab_analytes') }} as analytes
    on labs.loinc = analytes.loinc and analytes.analyte = 'circulating_blasts'
    and coalesce(lower(labs.specimen), analytes.specimen) = analytes.specimen
where
    labs.patient_key in (select time_zero.patient_key from {{ ref('int_time_zero') }} as time_zero)
    and labs.value is not null and labs.collected_at is not null
