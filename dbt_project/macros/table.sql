{#- Tables that are not there yet are made under their own names; those that are there are replaced as dbt-duckdb does.

    dbt-duckdb makes every table under another name, renames it, and drops what may have stood there before. A night fills
    an empty file, where these are statements for nothing: a sixth of the processor time of a small extract's models. -#}
{% materialization table, adapter='duckdb', supported_languages=['sql'] %}
    {%- if load_cached_relation(this) is not none -%}
        {{ return(dbt.materialization_table_duckdb()) }}
    {%- endif -%}
    {%- set target = this.incorporate(type='table') -%}
    {%- do run_hooks(pre_hooks, inside_transaction=False) -%}
    {%- do run_hooks(pre_hooks) -%}
    {%- call statement('main') -%}
        {{ create_table_as(False, target, compiled_code) }}
    {%- endcall -%}
    {%- do create_indexes(target) -%}
    {%- do run_hooks(post_hooks) -%}
    {%- do persist_docs(target, model) -%}
    {%- do adapter.commit() -%}
    {%- do run_hooks(post_hooks, inside_transaction=False) -%}
    {{ return({'relations': [target]}) }}
{% endmaterialization %}
