-- The files that laboratory values come from, each with the number that stands for it in wide aggregates.
-- One row per extract and file of the lab feed.

select distinct
    {{ file_key() }} as file_key,
    source_feed,
    source_extract,
    source_file
from {{ ref('stg_emr__lab_results') }}
