-- How often a covariate of the included patients is unknown; a covariate that nobody has is not judged (no feed).
-- One row per covariate; `rows` counts patients without it, `population` the included patients.
with known as (
    unpivot (
        select
            count(age_years) as age_years,
            count(sex) as sex,
            count(prior_chemotherapies) as prior_chemotherapies,
            count(refractory) as refractory,
            count(relapsed) as relapsed,
            count(marrow_blast_percent) as marrow_blast_percent,
            count(extramedullary_disease) as extramedullary_disease,
            count(wbc) as wbc,
            count(flu_cy) as flu_cy,
            count(cart_target) as cart_target
        from marts.patients
        where included
    )
    on columns(*)
    into name covariate value known_patients
)

select
    covariate,
    case when known_patients > 0 then 1 - known_patients / population end as unknown_share,
    population - known_patients as rows,
    population
from known
cross join (select count(*) as population from marts.patients where included)
order by covariate
