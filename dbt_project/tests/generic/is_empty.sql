{#- A list of troubles that should be empty: every row is one trouble. -#}
{% test is_empty(model) %}
select * from {{ model }}
{% endtest %}
