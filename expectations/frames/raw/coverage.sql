-- How many of the infused patients a feed speaks of at all: counts between feeds.
-- One row per delivered feed; `rows` counts infused patients without any row in it, `population` all infused patients.
with infused as (
    select distinct patient_key
    from cart_infusions
),

counted as (
    select
        patients_by_feed.feed,
        count(*) as covered,
        (select count(*) from infused) as infused
    from patients_by_feed
    inner join infused on patients_by_feed.patient_key = infused.patient_key
    group by patients_by_feed.feed
)

select
    feed,
    covered / infused as covered_share,
    infused - covered as rows,
    infused as population
from counted
order by feed
