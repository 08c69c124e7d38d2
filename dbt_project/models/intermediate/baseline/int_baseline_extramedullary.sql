-- Extramedullary disease at baseline: per site the last assessment up to the infusion, however old; present at any site
-- is extramedullary disease, present at the site cns is CNS leukaemia. A site never assessed says nothing.
-- One row per patient with an infusion and a readable finding before it.
with files as (
    {{ numbered_files([ref('stg_emr__extramedullary_assessments')]) }}
),

per_site as (
    select
        findings.patient_key,
        lower(findings.site) as site,
        max(struct_pack(
            assessed_on := findings.assessed_on,
            file_number := files.file_number,
            source_row := findings.source_row,
            finding := findings.finding
        )) as latest
    from {{ ref('stg_emr__extramedullary_assessments') }} as findings
    inner join files on {{ of_file('findings') }}
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
        list_sort(list(struct_pack(
            site := site, file_number := latest.file_number, source_row := latest.source_row
        ))) as by_site
    from per_site
    group by patient_key
)

select
    per_patient.patient_key,
    per_patient.extramedullary_disease,
    per_patient.cns_leukemia,
    per_patient.sites,
    {{ named_evidence('per_patient.by_site') }} as evidence
from per_patient
cross join ({{ list_of_files() }}) as named_files
