-- Snapshots of a source system that lack a feed which had come before.
-- One row per feed and source system; `rows` counts the feed itself.
select
    feed,
    snapshots_missed,
    1 as rows,
    format(
        '{} of {} came last on {}; it is missing since {}, from {} so far.',
        feed, source_system, last_extract, missing_since,
        if(snapshots_missed = 1, 'one snapshot', snapshots_missed || ' snapshots')
    ) as sentence
from feed_histories
order by feed, source_system
