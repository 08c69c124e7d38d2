{#- The grain: no two rows share these columns, and none of them is NULL. With `nulls: allowed` rows with a NULL among them
    are left out (a key that could not be read is reported in quality.rejected_values, not here). -#}
{% test one_row_per(model, columns, nulls='refused') %}
select {{ columns | join(', ') }}, count(*) as n_rows
from {{ model }}
{%- if nulls == 'allowed' %}
where {% for column in columns %}{{ column }} is not null{{ ' and ' if not loop.last }}{% endfor %}
{%- endif %}
group by {{ columns | join(', ') }}
having count(*) > 1
{%- if nulls != 'allowed' %}
    or {% for column in columns %}{{ column }} is null{{ ' or ' if not loop.last }}{% endfor %}
{%- endif %}
{% endtest %}
