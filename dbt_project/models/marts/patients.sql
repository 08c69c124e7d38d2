-- Every patient known: whether studied and if not why, the baseline, the treatment, and what came of it. A flag of
-- response is false where the response was not achieved and NULL where the patient has no infusion; a covariate without
-- data is NULL. One row per patient known.
select
    patients.patient_key,
    cohort.included,
    cohort.exclusion_reason,
    patients.sex,
    cast(date_sub('year', patients.birth_date, time_zero.infusion_date) as integer) as age_years,
    time_zero.infusion_date,
    time_zero.infused_at_precision as infusion_date_precision,

    -- the disease at baseline
    prior_therapy.prior_chemotherapies,
    refractory.refractory,
    nullif(refractory.refractory_because, '') as refractory_because,
    relapsed.relapsed,
    nullif(relapsed.relapsed_because, '') as relapsed_because,
    labels.recorded_refractory,
    labels.recorded_relapsed,
    marrow.marrow_blast_percent,
    extramedullary.extramedullary_disease,
    extramedullary.cns_leukemia,
    genes.fusion_gene,
    genes.bcr_abl1,
    genes.other_fusion_gene,
    genes.sh2b3,
    genes.pax5,
    genes.other_mutation,
    genes.other_mutations,
    wbc.value as wbc,
    hsct.hsct_before_infusion,

    -- the treatment
    lymphodepletion.lymphodepletion_regimen,
    lymphodepletion.flu_cy,
    product.cart_target,
    product.cells_per_kg,
    product.fractions,
    product.courses,

    -- what came of it
    response.complete_remission,
    response.complete_remission_date,
    response.mrd_negative,
    response.mrd_negative_date,
    response.best_response,
    response.response_evaluable,
    hsct.bridged_to_hsct,
    hsct.hsct_date,
    therapy.subsequent_therapy,
    cast(toxicity.crs_grade as integer) as crs_grade,
    toxicity.severe_crs,
    cast(toxicity.hematologic_toxicity_grade as integer) as hematologic_toxicity_grade,
    toxicity.neurotoxicity,
    toxicity.infection,
    toxicity.icu_admission,
    toxicity.glucocorticoids,
    toxicity.tocilizumab,
    contact.last_contact_date,
    contact.death_date
from {{ ref('stg_emr__patients') }} as patients
inner join {{ ref('int_cohort') }} as cohort on patients.patient_key = cohort.patient_key
left join {{ ref('int_time_zero') }} as time_zero on patients.patient_key = time_zero.patient_key
left join {{ ref('int_prior_therapy') }} as prior_therapy on patients.patient_key = prior_therapy.patient_key
left join {{ ref('int_refractory') }} as refractory on patients.patient_key = refractory.patient_key
left join {{ ref('int_relapsed') }} as relapsed on patients.patient_key = relapsed.patient_key
left join {{ ref('int_recorded_disease_labels') }} as labels on patients.patient_key = labels.patient_key
left join {{ ref('int_baseline_marrow') }} as marrow on patients.patient_key = marrow.patient_key
left join {{ ref('int_baseline_extramedullary') }} as extramedullary
    on patients.patient_key = extramedullary.patient_key
left join {{ ref('int_baseline_genes') }} as genes on patients.patient_key = genes.patient_key
left join {{ ref('int_baseline_labs') }} as wbc
    on patients.patient_key = wbc.patient_key and wbc.analyte = 'leukocytes'
left join {{ ref('int_lymphodepletion') }} as lymphodepletion on patients.patient_key = lymphodepletion.patient_key
left join {{ ref('int_cart_product') }} as product on patients.patient_key = product.patient_key
left join {{ ref('int_patient_response') }} as response on patients.patient_key = response.patient_key
left join {{ ref('int_patient_hsct') }} as hsct on patients.patient_key = hsct.patient_key
left join {{ ref('int_patient_subsequent_therapy') }} as therapy on patients.patient_key = therapy.patient_key
left join {{ ref('int_patient_adverse_events') }} as toxicity on patients.patient_key = toxicity.patient_key
left join {{ ref('int_last_contact') }} as contact on patients.patient_key = contact.patient_key
order by patients.patient_key
