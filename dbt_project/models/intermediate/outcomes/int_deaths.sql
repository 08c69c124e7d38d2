-- Death: a visit that says dead or gives a day of death; dated by that day, else by the visit (`date_is_of_visit`). Of
-- several, a stated day before a visit's, then the earliest. A day before the infusion or after the data cut-off is none.
-- `dates_disagree`: visits state different days. One row per dead patient with an infusion. Source: study contract, OS.

with reports as (
    select
        visits.patient_key,
        coalesce(visits.death_on, visits.visited_on) as death_date,
        coalesce(visits.death_on_precision, visits.visited_on_precision) as date_precision,
        visits.death_on is null as date_is_of_visit,
        visits.cause_of_death,
        visits.source_feed,
        visits.source_extract,
        visits.source_file,
        visits.source_row,
        time_zero.infusion_date
    from {{ ref('stg_emr__follow_ups') }} as visits
    inner join {{ ref('int_time_zero') }} as time_zero on visits.patient_key = time_zero.patient_key
    where visits.vital_status = 'dead' or visits.death_on is not null
),

usable as (
    select
        *,
        count(distinct death_date) filter (where not date_is_of_visit) over (partition by patient_key) > 1
            as dates_disagree
    from reports
    where death_date >= infusion_date and death_date <= coalesce({{ data_cutoff() }}, death_date)
)

select
    patient_key,
    death_date,
    date_precision,
    date_is_of_visit,
    dates_disagree,
    cause_of_death,
    {{ days_between('infusion_date', 'death_date') }} as study_day,
    {{ evidence_list() }} as evidence
from usable
qualify row_number() over (
    partition by patient_key order by date_is_of_visit, death_date, {{ source_order() }}
) = 1
