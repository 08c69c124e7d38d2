-- Fusion genes and mutations of the disease, from findings up to the infusion or without a date; a gene goes by any of
-- its names (seed genes). A column is known only where a gene of it was tested: a gene that no row names is unknown, not
-- absent, and "another" fusion (mutation) is absent only where at least one other was looked for. Positive beats negative.
-- One row per patient with an infusion and a readable molecular finding.
with findings as (
    select
        findings.patient_key,
        findings.kind,
        coalesce(genes.gene, findings.gene) as gene,
        coalesce(
            genes.covariate,
            case findings.kind when 'fusion' then 'other_fusion_gene' else 'other_mutation' end
        ) as covariate,
        findings.result = 'positive' as is_positive,
        findings.source_extract,
        findings.source_file,
        findings.source_row
    from {{ ref('stg_emr__molecular_findings') }} as findings
    inner join {{ ref('int_time_zero') }} as time_zero on findings.patient_key = time_zero.patient_key
    left join {{ ref('genes') }} as genes
        on {{ gene_alias('findings.gene') }} = genes.alias and findings.kind = genes.kind
    where findings.kind is not null
        and findings.result is not null
        and coalesce({{ earliest_day('findings.sampled_on') }} <= time_zero.infusion_date, true)
),

-- names of the positive ones alone: a distinct, ordered text for every patient tested takes ten times as long
names as (
    select
        patient_key,
        string_agg(distinct gene, '; ' order by gene) filter (where kind = 'fusion') as fusion_gene,
        string_agg(distinct gene, '; ' order by gene) filter (where covariate = 'other_mutation') as other_mutations
    from findings
    where is_positive
    group by patient_key
),

tested_by_file as (
    select
        patient_key,
        source_extract,
        source_file,
        bool_or(is_positive) filter (where covariate = 'bcr_abl1') as bcr_abl1,
        bool_or(is_positive) filter (where covariate = 'other_fusion_gene') as other_fusion_gene,
        bool_or(is_positive) filter (where covariate = 'sh2b3') as sh2b3,
        bool_or(is_positive) filter (where covariate = 'pax5') as pax5,
        bool_or(is_positive) filter (where covariate = 'other_mutation') as other_mutation,
        {{ source_rows_of_file() }}
    from findings
    group by patient_key, source_extract, source_file
),

tested as (
    select
        patient_key,
        bool_or(bcr_abl1) as bcr_abl1,
        bool_or(other_fusion_gene) as other_fusion_gene,
        bool_or(sh2b3) as sh2b3,
        bool_or(pax5) as pax5,
        bool_or(other_mutation) as other_mutation,
        {{ evidence_of_files('molecular_findings') }} as evidence
    from tested_by_file
    group by patient_key
)

select
    tested.patient_key,
    names.fusion_gene,
    tested.bcr_abl1,
    tested.other_fusion_gene,
    tested.sh2b3,
    tested.pax5,
    tested.other_mutation,
    names.other_mutations,
    tested.evidence
from tested
left join names on tested.patient_key = names.patient_key
