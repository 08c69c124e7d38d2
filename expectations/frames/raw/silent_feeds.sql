-- Days for which deltas of a source system have come without a feed.
-- One row per feed and source system; `rows` counts the feed itself.
select
    feed,
    quiet_days,
    1 as rows,
    format(
        '{} of {} came last on {}; no delta has held it since, for {:,} days.',
        feed, source_system, last_extract, quiet_days
    ) as sentence
from feed_histories
order by feed, source_system
