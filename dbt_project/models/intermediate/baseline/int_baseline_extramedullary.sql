-- Extramedullary disease at baseline: per site the last assessment up to the infusion, however old; present at any site
-- is extramedullary disease, present at the site cns is CNS leukaemia. A site never assessed says nothing.
-- One row per patient with an infusion and a readable finding before it.
with per_site as (
    select
        findings.patient_key,
        lower(findings.site) as site,
        arg_max(
            struct_pack(finding := findings.finding, evidence := {{ evidence_struct('findings.') }}),
            row(findings.assessed_on, {{ source_order('findings.') }})
        ) as latest
    from {{ ref('stg_emr__extramedullary_assessments') }} as findings
    inner join {{ ref('int_time_zero') }} as time_zero on findings.patient_key = time_zero.patient_key
    where findings.finding is not null
        and findings.assessed_on <= time_zero.infusion_date
    group by findings.patient_key, lower(findings.site)
),

per_patient as (
    select
        patient_key,
        bool_or(latest.finding = 'present') as extramedullary_disease,
        bool_or(latest.finding = 'present') filter (where site = 'cns') as cns_leukemia,
        list_sort(list(site) filter (where latest.finding = 'present')) as sites,
        list_sort(list(struct_pack(site := site, evidence := latest.evidence))) as by_site
    from per_site
    group by patient_key
)

select
    patient_key,
    extramedullary_disease,
    cns_leukemia,
    sites,
    list_transform(by_site, lambda assessed: assessed.evidence) as evidence
from per_patient
