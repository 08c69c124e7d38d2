-- The CAR-T product and dose. The first course may be split: its doses add up, and its targets together are the product
-- (CD19 on one day and CD22 on the next is CD19+CD22). Repeat courses are counted, and their doses kept apart. An infusion whose day
-- could not be read still counts.
-- One row per patient with a first infusion.
with infusions as (
    select
        infusions.patient_key,
        coalesce(infusions.course, 1) as course,
        infusions.cells_per_kg,
        infusions.target,
        {{ evidence_struct('infusions.') }} as evidence
    from {{ ref('stg_emr__cart_infusions') }} as infusions
    inner join {{ ref('int_time_zero') }} as time_zero
        on infusions.patient_key = time_zero.patient_key
        and (time_zero.infusion_date <= cast(infusions.infused_at as date) or infusions.infused_at is null)
)

select
    patient_key,
    list_aggregate(
        list_sort(list_distinct(flatten(
            coalesce(
                list(string_split(replace(upper(target), ' ', ''), '+')) filter (where course = 1 and target is not null),
                []
            )
        ))), 'string_agg', '+'
    ) as cart_target,
    sum(cells_per_kg) filter (where course = 1) as cells_per_kg,
    sum(cells_per_kg) as cells_per_kg_all_courses,
    cast(count(*) filter (where course = 1) as integer) as fractions,
    cast(count(distinct course) as integer) as courses,
    bool_or(course = 1 and cells_per_kg is null) as dose_is_incomplete,
    list_sort(list(evidence)) as evidence
from infusions
group by patient_key
