-- Fusion genes and mutations of the disease, from findings up to the infusion or without a date; a gene goes by any of
-- its names (seed genes). A column is known only where a gene of it was tested: a gene that no row names is unknown, not
-- absent, and "another" fusion (mutation) is absent only where at least one other was looked for. Positive beats negative.
-- One row per patient with an infusion and a readable molecular finding.
{{ config(pre_hook="{{ joins_as_written() }}", post_hook="{{ joins_by_estimate() }}") }}

with files as (
    {{ numbered_files([ref('stg_emr__molecular_findings')]) }}
),

findings as (
    select
        findings.patient_key,
        findings.kind,
        coalesce(genes.gene, findings.gene) as gene,
        coalesce(
            genes.covariate,
            case findings.kind when 'fusion' then 'other_fusion_gene' else 'other_mutation' end
        ) as covariate,
        findings.result = 'positive' as is_positive,
        struct_pack(file_number := files.file_number, source_row := findings.source_row) as evidence
    from {{ ref('stg_emr__molecular_findings') }} as findings
    inner join files on {{ of_file('findings') }}
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

tested as (
    select
        patient_key,
        bool_or(is_positive) filter (where covariate = 'bcr_abl1') as bcr_abl1,
        bool_or(is_positive) filter (where covariate = 'other_fusion_gene') as other_fusion_gene,
        bool_or(is_positive) filter (where covariate = 'sh2b3') as sh2b3,
        bool_or(is_positive) filter (where covariate = 'pax5') as pax5,
        bool_or(is_positive) filter (where covariate = 'other_mutation') as other_mutation,
        list(evidence) as evidence
    from findings
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
    {{ named_evidence('list_sort(tested.evidence)') }} as evidence
from tested
left join names on tested.patient_key = names.patient_key
cross join ({{ list_of_files() }}) as named_files
