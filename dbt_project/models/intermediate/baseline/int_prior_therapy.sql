-- Previous chemotherapy: the lines of prior_therapies begun before the infusion. A line without a readable start counts,
-- and one of which month or year alone is known unless all of it lies after: the feed holds nothing but previous therapy.
-- Where the feed was delivered, a patient without a line had none; where it was not, the number is not known.
-- One row per patient with an infusion.
{{ config(pre_hook="{{ joins_as_written() }}", post_hook="{{ joins_by_estimate() }}") }}

with files as (
    {{ numbered_files([ref('stg_emr__prior_therapies')]) }}
),

lines as (
    select
        lines.patient_key,
        count(*) as n_lines,
        list(struct_pack(file_number := files.file_number, source_row := lines.source_row)) as evidence
    from {{ ref('stg_emr__prior_therapies') }} as lines
    inner join files on {{ of_file('lines') }}
    inner join {{ ref('int_time_zero') }} as time_zero on lines.patient_key = time_zero.patient_key
    where time_zero.infusion_date > {{ earliest_day('lines.started_on') }} or lines.started_on is null
    group by lines.patient_key
)

select
    time_zero.patient_key,
    case
        when {{ feed_delivered('prior_therapies') }} then cast(coalesce(lines.n_lines, 0) as integer)
    end as prior_chemotherapies,
    coalesce({{ named_evidence('list_sort(lines.evidence)') }}, []) as evidence
from {{ ref('int_time_zero') }} as time_zero
left join lines on time_zero.patient_key = lines.patient_key
cross join ({{ list_of_files() }}) as named_files
