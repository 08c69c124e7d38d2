-- CTCAE bounds in canonical units for either sex: a bound given as a multiple of the lower or upper reference limit times
-- that limit. One row per CTCAE version, analyte, sex and grade. Seeds: ctcae_lab_grades, lab_reference_limits.

select
    grades.version,
    grades.analyte,
    limits.sex,
    grades.grade,
    grades.direction,
    grades.bound * case grades.basis when 'lln' then limits.lln when 'uln' then limits.uln else 1 end as bound
from {{ ref('ctcae_lab_grades') }} as grades
inner join {{ ref('lab_reference_limits') }} as limits on grades.analyte = limits.analyte
