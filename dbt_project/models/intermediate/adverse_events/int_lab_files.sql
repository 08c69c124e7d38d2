-- The files that laboratory values come from, each with the number that stands for it in work tables and wide aggregates.
-- Numbers follow extract, then name. One row per extract and file of the lab feed.
-- Read off the lake: whether any of a file's values counts doesn't matter here, and finding out would read the long feed.
{%- do source('raw', 'lab_results') %}

select
    cast({{ packable_file_number('row_number() over (order by source_extract, source_file)') }} as integer) as file_number,
    'lab_results' as source_feed,
    source_extract,
    source_file
from (
    select cast(source_extract as date) as source_extract, source_file
    from (
        select distinct source_extract, source_file  -- each text is read as a date once, not once for every row
        from {{ lake_rows('lab_results') }}
    )
)
