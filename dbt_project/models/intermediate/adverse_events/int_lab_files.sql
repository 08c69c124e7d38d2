-- The files that laboratory values come from, each with the number that stands for it in work tables and wide aggregates.
-- Numbers follow extract, then name. One row per extract and file of the lab feed.

select
    cast(row_number() over (order by source_extract, source_file) as integer) as file_number,
    source_feed,
    source_extract,
    source_file
from (
    select distinct source_feed, source_extract, source_file
    from {{ ref('stg_emr__lab_results') }}
)
