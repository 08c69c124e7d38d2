-- Vasopressors during a CRS episode: the most on one day (with and without vasopressin), and whether any stood at a high
-- dose (seed vasopressor_doses). One row per patient with a vasopressor in the episode.

with given as (
    select
        medications.patient_key,
        drugs.ingredient,
        greatest(cast(medications.started_at as date), episodes.onset_on) as first_on,
        least(coalesce(cast(medications.ended_at as date), cast(medications.started_at as date)), episodes.last_day_on)
            as last_on,
        medications.dose,
        {{ normalised_unit('medications.dose_unit') }} as dose_unit,
        {{ evidence_struct('medications.') }} as evidence
    from {{ ref('stg_emr__medications') }} as medications
    inner join {{ ref('drugs') }} as drugs
        on lower(trim(medications.drug)) = drugs.drug and drugs.drug_class = 'vasopressor'
    inner join {{ ref('int_crs_episodes') }} as episodes on medications.patient_key = episodes.patient_key
    where
        cast(medications.started_at as date) <= episodes.last_day_on
        and coalesce(cast(medications.ended_at as date), cast(medications.started_at as date)) >= episodes.onset_on
),

rated as (
    select
        given.patient_key,
        given.ingredient,
        unnest(range(given.first_on, given.last_on + interval 1 day, interval 1 day)) as given_on,
        coalesce(given.dose >= doses.high_dose_from, false) as high_dose,
        given.ingredient not in (
            select uncounted.ingredient
            from {{ ref('vasopressor_doses') }} as uncounted
            where not uncounted.counts_in_astct
        ) as counts_in_astct,
        given.evidence
    from given
    left join {{ ref('vasopressor_doses') }} as doses
        on given.ingredient = doses.ingredient and given.dose_unit = doses.dose_unit
),

by_day as (
    select
        patient_key,
        given_on,
        count(distinct ingredient) as pressors,
        count(distinct ingredient) filter (where counts_in_astct) as pressors_in_astct,
        bool_or(high_dose) as high_dose,
        list(evidence) as evidence
    from rated
    group by patient_key, given_on
)

select
    patient_key,
    max(pressors) as most_pressors,
    max(pressors_in_astct) as most_pressors_in_astct,
    bool_or(high_dose) as high_dose,
    list_sort(list_distinct(flatten(list(evidence)))) as evidence
from by_day
group by patient_key
