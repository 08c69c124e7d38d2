-- How much of its rows every feed's newest snapshot lost against the snapshot before.
-- One row per feed and source system with two snapshots; `rows` counts the rows lost, `population` those before.
select
    feed,
    shrunk_by,
    greatest(rows_before - rows_now, 0) as rows,
    rows_before as population,
    format(
        '{} of {}: {:,} rows in the snapshot of {} after {:,} in that of {}, {:.1f}% fewer.',
        feed, source_system, rows_now, extract_now, rows_before, extract_before, 100 * shrunk_by
    ) as sentence
from feed_histories
where shrunk_by is not null
order by feed, source_system
