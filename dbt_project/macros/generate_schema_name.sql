{#- Schemas carry their plain names (staging, intermediate, marts, quality), as the warehouse contract says. -#}
{% macro generate_schema_name(custom_schema_name, node) -%}
    {{ (custom_schema_name or target.schema) | trim }}
{%- endmacro %}
