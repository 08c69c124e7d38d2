-- Unreadable values per accepted row of a feed.
-- One row per delivered feed; `rows` counts unreadable values, `population` accepted rows.
with unreadable as (
    select
        feed,
        count(*) as cells
    from quality.rejected_values
    group by feed
)

select
    extracts.feed,
    coalesce(any_value(unreadable.cells), 0) / nullif(sum(extracts.accepted), 0) as unreadable_per_row,
    coalesce(any_value(unreadable.cells), 0) as rows,
    sum(extracts.accepted) as population
from quality.extracts as extracts
left join unreadable on extracts.feed = unreadable.feed
group by extracts.feed
order by extracts.feed
