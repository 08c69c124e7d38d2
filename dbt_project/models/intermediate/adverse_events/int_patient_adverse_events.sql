-- Adverse events of a patient in one row: CRS under the study's rule (0 = none), severe CRS, worst haematologic toxicity,
-- neurotoxicity (recorded, or ICANS by ICE score) and infection of the CAR-T phase, intensive care, steroids and tocilizumab against CRS.
-- A flag whose feed no extract holds is NULL, not "no". One row per patient with an infusion.

with recorded as (
    select
        patient_key,
        bool_or(concept = 'neurotoxicity') as neurotoxicity,
        bool_or(concept = 'infection') as infection
    from {{ ref('int_recorded_adverse_events') }}
    where phase = 'cart'
    group by patient_key
),

drugs_given as (
    select
        patient_key,
        bool_or(drug_class = 'glucocorticoid') as glucocorticoids,
        bool_or(drug_class = 'tocilizumab') as tocilizumab
    from {{ ref('int_crs_treatments') }}
    group by patient_key
),

icu as (
    select distinct patient_key from {{ ref('int_icu_admissions') }}
)

select
    time_zero.patient_key,
    crs.crs_grade,
    crs.crs_grade >= {{ study('severe_crs_grade') }} as severe_crs,
    crs.crs_onset_date,
    coalesce(crs.evidence, []) as crs_evidence,
    hematologic.worst_grade as hematologic_toxicity_grade,
    case when {{ feed_delivered('adverse_events') }} then coalesce(recorded.neurotoxicity, false) or icans.grade is not null
        when icans.patient_key is not null then icans.grade is not null
    end as neurotoxicity,
    case when {{ feed_delivered('adverse_events') }} then coalesce(recorded.infection, false) end as infection,
    case when {{ feed_delivered('encounters') }} then icu.patient_key is not null end as icu_admission,
    case when {{ feed_delivered('medications') }} then coalesce(drugs_given.glucocorticoids, false) end
        as glucocorticoids,
    case when {{ feed_delivered('medications') }} then coalesce(drugs_given.tocilizumab, false) end as tocilizumab
from {{ ref('int_time_zero') }} as time_zero
left join {{ ref('int_crs_by_rule') }} as crs on time_zero.patient_key = crs.patient_key and crs.chosen
left join recorded on time_zero.patient_key = recorded.patient_key
left join {{ ref('int_hematologic_toxicity') }} as hematologic on time_zero.patient_key = hematologic.patient_key
left join {{ ref('int_icans') }} as icans on time_zero.patient_key = icans.patient_key
left join drugs_given on time_zero.patient_key = drugs_given.patient_key
left join icu on time_zero.patient_key = icu.patient_key
