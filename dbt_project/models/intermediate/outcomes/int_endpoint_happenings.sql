-- What can end a patient's time: every dated happening that the seed endpoint_sources names. One row per patient and source.

select patient_key, 'treatment_failure' as source, failure_date as happened_on, evidence, date_precision
from {{ ref('int_treatment_failures') }}
union all
select patient_key, 'relapse', relapse_date, evidence, date_precision
from {{ ref('int_first_relapse') }}
union all
select patient_key, 'death', death_date, evidence, date_precision
from {{ ref('int_deaths') }}
union all
select patient_key, 'hsct', hsct_date, evidence, date_precision
from {{ ref('int_allo_transplants') }}
where first_after_infusion
union all
select patient_key, 'complete_remission', complete_remission_date, evidence, date_precision
from {{ ref('int_first_complete_remission') }}
union all
select patient_key, 'mrd_negative', mrd_negative_date, evidence, date_precision
from {{ ref('int_first_mrd_negative') }}
union all
select patient_key, 'last_contact', last_contact_date, evidence, date_precision
from {{ ref('int_last_contact') }}
