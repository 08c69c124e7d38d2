-- Death: a visit that says dead or gives a day of death; dated by that day, else by the visit (`date_is_of_visit`). Of
-- several, a stated day before a visit's, then the earliest. A day before the infusion or after the data cut-off is none;
-- a visit from the infusion on that says dead, with a day before it, speaks for itself. A date known by its month or year
-- alone, that of the infusion, was not before it. The cause is that of the report that dates the death, else of the next
-- one that names any. `dates_disagree`: visits state different days, or one before the infusion.
-- One row per dead patient with an infusion. Source: study contract, OS.

with reports as (
    select
        visits.*,
        time_zero.infusion_date,
        {{ not_before_infusion('visits.death_on') }} as stated_on,
        {{ not_before_infusion('visits.visited_on') }} as seen_dead_on
    from {{ ref('stg_emr__follow_ups') }} as visits
    inner join {{ ref('int_time_zero') }} as time_zero on visits.patient_key = time_zero.patient_key
    where visits.vital_status = 'dead' or visits.death_on is not null
),

dated as (
    select
        *,
        coalesce(stated_on < infusion_date, false) as stated_before_infusion,
        case
            when stated_on >= infusion_date then stated_on
            when vital_status = 'dead' then seen_dead_on
        end as death_date,
        case when stated_on >= infusion_date then death_on_precision else visited_on_precision end as date_precision,
        not coalesce(stated_on >= infusion_date, false) as date_is_of_visit
    from reports
),

usable as (
    select
        *,
        count(distinct death_date) filter (where not date_is_of_visit) over (partition by patient_key) > 1
        or bool_or(stated_before_infusion) over (partition by patient_key) as dates_disagree,
        first_value(case when cause_of_death is not null then {{ evidence_struct() }} end ignore nulls) over reports_of_patient
            as cause_row,
        first_value(cause_of_death ignore nulls) over reports_of_patient as first_cause,
        row_number() over reports_of_patient as nth
    from dated
    where death_date >= infusion_date and death_date <= coalesce({{ data_cutoff() }}, death_date)
    window reports_of_patient as (
        partition by patient_key order by date_is_of_visit, death_date, {{ source_order() }}
        rows between unbounded preceding and unbounded following
    )
)

select
    patient_key,
    death_date,
    date_precision,
    date_is_of_visit,
    dates_disagree,
    first_cause as cause_of_death,
    {{ days_between('infusion_date', 'death_date') }} as study_day,
    {{ evidence_list() }} as evidence,
    case when cause_row is not null then list_value(cause_row) end as cause_evidence
from usable
where nth = 1
