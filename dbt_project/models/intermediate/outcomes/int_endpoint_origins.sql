-- Days from which times are counted: the infusion, and the first complete remission (seed endpoints says which endpoint
-- begins where). A patient who never reached an origin has no row for it. One row per patient and origin.

select patient_key, 'infusion' as origin, infusion_date as origin_date, infused_at_precision as date_precision, evidence
from {{ ref('int_time_zero') }}
union all
select patient_key, 'complete_remission', complete_remission_date, date_precision, evidence
from {{ ref('int_first_complete_remission') }}
