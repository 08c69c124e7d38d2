-- Previous chemotherapy: the lines of prior_therapies begun before the infusion. A line without a readable start counts,
-- and one of which month or year alone is known unless all of it lies after: the feed holds nothing but previous therapy.
-- Where the feed was delivered, a patient without a line had none; where it was not, the number is not known.
-- One row per patient with an infusion.
with lines_by_file as (
    select
        lines.patient_key,
        lines.source_extract,
        lines.source_file,
        count(*) as n_lines,
        {{ source_rows_of_file('lines.source_row') }}
    from {{ ref('stg_emr__prior_therapies') }} as lines
    inner join {{ ref('int_time_zero') }} as time_zero on lines.patient_key = time_zero.patient_key
    where time_zero.infusion_date > {{ earliest_day('lines.started_on') }} or lines.started_on is null
    group by lines.patient_key, lines.source_extract, lines.source_file
),

lines as (
    select patient_key, sum(n_lines) as n_lines, {{ evidence_of_files('prior_therapies') }} as evidence
    from lines_by_file
    group by patient_key
)

select
    time_zero.patient_key,
    case
        when {{ feed_delivered('prior_therapies') }} then cast(coalesce(lines.n_lines, 0) as integer)
    end as prior_chemotherapies,
    coalesce(lines.evidence, []) as evidence
from {{ ref('int_time_zero') }} as time_zero
left join lines on time_zero.patient_key = lines.patient_key
