-- Every sign of leukaemia after the infusion: marrow blasts above 5%, circulating blasts, a site outside the marrow, or a
-- relapse that a follow-up visit records (dated by its relapse date, else by the visit, flagged `date_is_of_visit`). A patient
-- whom a visit finds in relapse, dated by a month or year alone, may have relapsed on any day of it up to the visit: on
-- `latest_on` at the latest, and not before the day after the infusion. Other findings have one day.
-- One row per source row. Source: paper, definition of relapse.

with findings as (
    select
        patient_key,
        sampled_on as found_on,
        sampled_on as latest_on,
        sampled_on_precision as date_precision,
        'marrow' as found_in,
        blast_percent as value,
        cast(null as varchar) as detail,
        false as date_is_of_visit,
        {{ evidence_struct() }} as deciding_row
    from {{ ref('stg_emr__marrow_assessments') }}
    where blast_percent > {{ rule_constant('relapse_marrow_blasts_above_percent') }}
    union all
    select
        patient_key, collected_on, collected_on as latest_on, 'day', 'blood', blast_percent, null, false,
        {{ evidence_struct() }}
    from {{ ref('int_circulating_blasts') }}
    where blasts_present
    union all
    select
        patient_key, assessed_on, assessed_on as latest_on, assessed_on_precision, 'extramedullary', null, site, false,
        {{ evidence_struct() }}
    from {{ ref('stg_emr__extramedullary_assessments') }}
    where finding = 'present'
    union all
    select
        patient_key,
        coalesce(relapse_on, visited_on),
        case
            when relapse_on is null then visited_on
            when disease_status = 'relapse' then greatest(relapse_on, least({{ latest_day('relapse_on') }}, visited_on))
            else relapse_on
        end,
        coalesce(relapse_on_precision, visited_on_precision),
        'follow_up',
        null,
        relapse_site,
        relapse_on is null,
        {{ evidence_struct() }}
    from {{ ref('stg_emr__follow_ups') }}
    where disease_status = 'relapse' or relapse_on is not null
)

select
    findings.patient_key,
    greatest(findings.found_on, time_zero.infusion_date + 1) as found_on,
    findings.latest_on,
    findings.date_precision,
    findings.found_in,
    findings.value,
    findings.detail,
    findings.date_is_of_visit,
    findings.deciding_row
from findings
inner join {{ ref('int_time_zero') }} as time_zero on findings.patient_key = time_zero.patient_key
where
    findings.latest_on > time_zero.infusion_date
    and findings.found_on <= coalesce({{ data_cutoff() }}, findings.found_on)
