-- Lymphodepletion before the first infusion, from drug rows with that purpose begun up to the infusion: fludarabine and
-- cyclophosphamide both given is Flu+Cy, anything else non-Flu+Cy (seed drugs knows the names).
-- One row per patient with an infusion and such a drug row.
with given as (
    select
        medications.patient_key,
        coalesce(drugs.ingredient, lower(medications.drug)) as ingredient,
        {{ evidence_struct('medications.') }} as evidence
    from {{ ref('stg_emr__medications') }} as medications
    inner join {{ ref('int_time_zero') }} as time_zero on medications.patient_key = time_zero.patient_key
    left join {{ ref('drugs') }} as drugs on lower(medications.drug) = drugs.drug
    where lower(medications.purpose) = 'lymphodepletion'
        and {{ is_at_baseline('medications.started_at', 'medications.started_at_has_time') }}
),

per_patient as (
    select
        patient_key,
        bool_or(ingredient = 'fludarabine') and bool_or(ingredient = 'cyclophosphamide') as flu_cy,
        string_agg(distinct ingredient, ' + ' order by ingredient) as lymphodepletion_drugs,
        list_sort(list(evidence)) as evidence
    from given
    group by patient_key
)

select
    patient_key,
    flu_cy,
    case when flu_cy then 'Flu+Cy' else 'non-Flu+Cy' end as lymphodepletion_regimen,
    lymphodepletion_drugs,
    evidence
from per_patient
