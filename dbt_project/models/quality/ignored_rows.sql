-- Rows dated after the data cut-off: the study does not see them, and this table counts them.
-- One row per feed, extract and file that holds such rows.
{% for feed in feed_names() if feed_contract(feed).get('dated_by') %}
{{ ignored_counts(feed) }}
{{ "union all" if not loop.last }}
{%- endfor %}
