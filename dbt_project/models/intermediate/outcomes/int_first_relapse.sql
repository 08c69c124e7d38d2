-- Relapse: after the first complete remission the first sign of leukaemia (marrow > 5%, blood, extramedullary site), or a
-- relapse that a visit records on or after it; one whose month or year reaches that far (`latest_on`) is dated by the day of
-- remission at the earliest. Where response was never assessed a recorded relapse counts by itself; where it was assessed
-- and never complete there is none. On one day: marrow, blood, extramedullary, then the visit.
-- One row per relapsed patient. Source: paper and study contract.

with dated as (
    select
        leukemia.* replace (
            case
                when remission.complete_remission_date between leukemia.found_on and leukemia.latest_on
                    then remission.complete_remission_date
                else leukemia.found_on
            end as found_on
        ),
        remission.complete_remission_date
    from {{ ref('int_leukemia_findings') }} as leukemia
    left join {{ ref('int_first_complete_remission') }} as remission on leukemia.patient_key = remission.patient_key
),

candidates as (
    select *
    from dated
    where
        found_on > complete_remission_date
        or (
            found_in = 'follow_up'
            and (
                found_on >= complete_remission_date
                or patient_key not in (
                    select assessed.patient_key from {{ ref('int_response_assessment_dates') }} as assessed
                )
            )
        )
),

first_signs as (
    select *
    from candidates
    qualify row_number() over (
        partition by patient_key
        order by
            found_on,
            list_position(['marrow', 'blood', 'extramedullary', 'follow_up'], found_in),
            value desc,
            deciding_row
    ) = 1
)

select
    first_signs.patient_key,
    first_signs.found_on as relapse_date,
    {{ days_between('time_zero.infusion_date', 'first_signs.found_on') }} as study_day,
    first_signs.found_in,
    first_signs.value,
    first_signs.detail,
    first_signs.date_precision,
    first_signs.date_is_of_visit,
    {{ merge_sorted_evidence('list_value(first_signs.deciding_row)', 'remission.evidence') }} as evidence,
    first_signs.deciding_row
from first_signs
inner join {{ ref('int_time_zero') }} as time_zero on first_signs.patient_key = time_zero.patient_key
left join {{ ref('int_first_complete_remission') }} as remission on first_signs.patient_key = remission.patient_key
