-- Baseline of every infused patient. One row per patient; no key is taken along.
select
    cast(included as integer) as included,
    age_years,
    prior_chemotherapies,
    marrow_blast_percent,
    wbc,
    cells_per_kg,
    crs_grade,
    hematologic_toxicity_grade,
    date_diff('day', infusion_date, getvariable('data_cutoff')) as days_from_infusion_to_cutoff,
    1 as rows
from marts.patients
where infusion_date is not null
