-- Values that could not be read: NULL in staging, and here the text as it stood, with the reason.
-- One row per unreadable cell of a current row. Direct identifiers never get this far.
{% for feed in feed_names() %}
{{ rejected_cells(feed) }}
{{ "union all" if not loop.last }}
{%- endfor %}
