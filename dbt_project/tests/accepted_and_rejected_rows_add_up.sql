{{ config(severity='error', meta={
    'kahn': 'conformance',
    'action': 'Rows of this file were lost or counted twice on the way in: read the log of its ingestion before trusting the night.',
    'dagster': {'ref': {'name': 'extracts'}},
}) }}
-- Of every file, rows accepted and rows rejected are together the rows in it.
select feed, extract, file, rows, accepted, rejected
from {{ ref('extracts') }}
where accepted + rejected != rows or accepted < 0
