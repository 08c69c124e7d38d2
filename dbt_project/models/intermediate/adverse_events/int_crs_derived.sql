-- CRS derived from what was measured and given during the episode that a fever opens.
--   Lee 2014:   1 fever; 2 hypotension, one pressor at a low dose, oxygen below 40%, organ toxicity 2; 3 a pressor at a high
--               dose or several, oxygen from 40% or high flow, organ toxicity 3 or transaminases 4; 4 positive pressure or
--               other organ toxicity 4; 5 death of CRS.
--   ASTCT 2019: 1 fever; 2 hypotension without pressor, low-flow oxygen (up to 6 L/min); 3 one pressor (vasopressin not
--               counted), more oxygen; 4 several pressors, positive pressure; 5 death of CRS.
-- Vasopressin alone is one pressor. A sign that no row shows is NULL and raises no grade. One row per patient with a CRS episode.

with signs as (
    select
        episodes.patient_key,
        episodes.onset_on,
        episodes.last_day_on,
        vitals.hypotension,
        vitals.oxygen_flow,
        pressors.most_pressors as pressors,
        pressors.most_pressors_in_astct as pressors_in_astct,
        pressors.high_dose,
        ventilation.positive_pressure,
        ventilation.high_flow,
        organs.transaminase_grade,
        organs.other_grade as organ_grade,
        deaths.patient_key is not null as died_of_crs,
        {{ merge_evidence([
            'episodes.evidence', 'vitals.evidence', 'pressors.evidence', 'ventilation.evidence', 'organs.evidence',
            'deaths.evidence',
        ]) }} as evidence
    from {{ ref('int_crs_episodes') }} as episodes
    left join {{ ref('int_crs_vital_signs') }} as vitals on episodes.patient_key = vitals.patient_key
    left join {{ ref('int_crs_pressors') }} as pressors on episodes.patient_key = pressors.patient_key
    left join {{ ref('int_crs_ventilation') }} as ventilation on episodes.patient_key = ventilation.patient_key
    left join {{ ref('int_crs_organ_toxicity') }} as organs on episodes.patient_key = organs.patient_key
    left join {{ ref('int_crs_deaths') }} as deaths on episodes.patient_key = deaths.patient_key
)

select
    patient_key,
    onset_on,
    last_day_on,
    case
        when died_of_crs then 5
        when positive_pressure or organ_grade = 4 then 4
        when
            high_dose
            or pressors >= {{ rule_constant('lee_several_pressors_from') }}
            or high_flow
            or {{ rule_constant('room_air_percent') }} + {{ rule_constant('oxygen_percent_per_litre') }} * oxygen_flow
            >= {{ rule_constant('lee_high_oxygen_from_percent') }}
            or organ_grade = 3
            or transaminase_grade >= 3
            then 3
        when hypotension or pressors is not null or oxygen_flow > 0 or organ_grade = 2 or transaminase_grade = 2 then 2
        else 1
    end as lee2014,
    case
        when died_of_crs then 5
        when positive_pressure or pressors_in_astct >= {{ rule_constant('astct_several_pressors_from') }} then 4
        when pressors is not null or high_flow or oxygen_flow > {{ rule_constant('astct_low_flow_up_to') }} then 3
        when hypotension or oxygen_flow > 0 then 2
        else 1
    end as astct2019,
    evidence
from signs
