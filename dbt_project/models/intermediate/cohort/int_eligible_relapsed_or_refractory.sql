-- Eligible: relapsed or refractory disease, as the models int_relapsed and int_refractory derive it; where neither is
-- known, neither is shown. Not applied unless the study file asks for it. One row per patient known.
select
    patients.patient_key,
    {% if is_criterion_applied('relapsed_or_refractory') -%}
    coalesce(relapsed.relapsed, false) or coalesce(refractory.refractory, false)
    {%- else -%} true {%- endif %} as is_met
from {{ ref('stg_emr__patients') }} as patients
left join {{ ref('int_relapsed') }} as relapsed on patients.patient_key = relapsed.patient_key
left join {{ ref('int_refractory') }} as refractory on patients.patient_key = refractory.patient_key
