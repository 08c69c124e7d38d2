-- Previous chemotherapy: the lines of prior_therapies begun before the infusion. A line without a readable start counts,
-- and one of which month or year alone is known unless all of it lies after: the feed holds nothing but previous therapy.
-- Where the feed was delivered, a patient without a line had none; where it was not, the number is not known.
-- One row per patient with an infusion.
select
    time_zero.patient_key,
    case
        when {{ feed_delivered('prior_therapies') }} then cast(count(lines.source_row) as integer)
    end as prior_chemotherapies,
    coalesce(
        list({{ evidence_struct('lines.') }} order by {{ source_order('lines.') }})
            filter (where lines.source_row is not null),
        []
    ) as evidence
from {{ ref('int_time_zero') }} as time_zero
left join {{ ref('stg_emr__prior_therapies') }} as lines
    on time_zero.patient_key = lines.patient_key
    and (time_zero.infusion_date > {{ earliest_day('lines.started_on') }} or lines.started_on is null)
group by time_zero.patient_key
