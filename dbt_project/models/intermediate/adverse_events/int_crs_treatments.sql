-- Drugs against CRS: tocilizumab and glucocorticoids given for the purpose of CRS treatment on or after the infusion.
-- One row per medication row. Names of drugs: seed drugs.

select
    medications.patient_key,
    drugs.drug_class,
    drugs.ingredient,
    cast(medications.started_at as date) as started_on,
    {{ days_between('time_zero.infusion_date', 'cast(medications.started_at as date)') }} as study_day,
    medications.dose,
    medications.dose_unit,
    medications.source_feed,
    medications.source_extract,
    medications.source_file,
    medications.source_row
from {{ ref('stg_emr__medications') }} as medications
inner join {{ ref('drugs') }} as drugs on lower(trim(medications.drug)) = drugs.drug
inner join {{ ref('int_time_zero') }} as time_zero on medications.patient_key = time_zero.patient_key
where
    drugs.drug_class in ('tocilizumab', 'glucocorticoid')
    and lower(medications.purpose) = 'crs_treatment'
    and cast(medications.started_at as date) >= time_zero.infusion_date
