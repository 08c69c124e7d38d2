-- CTCAE bounds in canonical units by sex: a bound given as a multiple of the lower or upper reference limit times that
-- limit. A patient of unknown sex is graded by the milder of the two. `chosen`: the
-- study's version.
-- One row per CTCAE version, analyte, sex (F, M, unknown) and grade. Seeds: ctcae_lab_grades, lab_reference_limits.

with by_sex as (
    select
        grades.version,
        grades.analyte,
        limits.sex,
        grades.grade,
        grades.direction,
        grades.bound * case grades.basis when 'lln' then limits.lln when 'uln' then limits.uln else 1 end as bound
    from {{ ref('ctcae_lab_grades') }} as grades
    inner join {{ ref('lab_reference_limits') }} as limits on grades.analyte = limits.analyte
),

every_sex as (
    select version, analyte, sex, grade, direction, bound
    from by_sex
    union all
    select
        version,
        analyte,
        'unknown' as sex,
        grade,
        direction,
        case when direction = 'below' then min(bound) else max(bound) end as bound
    from by_sex
    group by version, analyte, grade, direction
)

select
    *,
    version = {{ study('rules.ctcae') }} as chosen
from every_sex
