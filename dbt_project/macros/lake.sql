{#- The lake's plan: which Parquet files this night reads. Read when a model runs, never while dbt parses, so that a
    parse stays valid from night to night. Without CART_LAKE (unit tests, docs) every feed is empty. -#}
{% macro lake_plan() -%}
    {%- set lake = env_var('CART_LAKE', '') -%}
    {%- if not execute or not lake -%}{{ return({'feeds': {}, 'ledger': [], 'rejected': [], 'newest_extract': none}) }}{%- endif -%}
    {%- set plans = run_query("select content from read_text(" ~ sql_text(lake ~ '/plan*.json') ~ ") where filename like '%/plan.json'") -%}
    {%- if plans.rows | length == 0 -%}
        {{ exceptions.raise_compiler_error("The lake " ~ lake ~ " holds no plan.json: ingestion writes it at the end of every run; run ingestion first.") }}
    {%- endif -%}
    {{ return(fromjson(plans.rows[0][0])) }}
{%- endmacro %}

{% macro sql_text(text) -%}
    {{ return("'" ~ (text | string | replace("'", "''")) ~ "'") }}
{%- endmacro %}

{#- An explicit list of Parquet files of the lake, or none where the list is empty. -#}
{% macro lake_parquet(files) -%}
    {%- if not files -%}{{ return(none) }}{%- endif -%}
    {%- set paths = [] -%}
    {%- for file in files -%}{%- do paths.append(sql_text(env_var('CART_LAKE', '') ~ '/' ~ file)) -%}{%- endfor -%}
    {{ return('read_parquet([' ~ paths | join(', ') ~ '])') }}
{%- endmacro %}

{#- Every row of a feed's current files as the lake holds them, all columns of the contract as text. -#}
{% macro lake_rows(feed) -%}
    {%- set parquet = lake_parquet((lake_plan()['feeds'].get(feed) or {}).get('files')) -%}
    {%- if parquet -%}{{ return(parquet) }}{%- endif -%}
    {%- set empty = ['cast(null as varchar) as patient_key'] -%}
    {%- for column in feed_contract(feed)['columns'] -%}{%- do empty.append('cast(null as varchar) as ' ~ adapter.quote(column)) -%}{%- endfor -%}
    {%- do empty.append('cast(null as varchar) as deleted, cast(null as varchar) as source_extract') -%}
    {%- do empty.append('cast(null as varchar) as source_file, cast(null as bigint) as source_row') -%}
    {{ return('(select ' ~ empty | join(', ') ~ ' where false)') }}
{%- endmacro %}

{#- A feed's current rows: of several versions of a key the newest (extract, then file, then row: a total order), and
    none that its source has deleted. The call to source() tells dbt and Dagster where the rows come from.

    People and infusions are made unique always, for a double one would double everything that hangs on it (`unique`;
    not needed to ask whether a person is known at all). Other feeds need it only where the plan says that a key may occur
    twice. Then the rows are compared with the keys of the later extracts alone, so that a night's small delta on a hundred
    million rows costs a small join and no sort; what the oldest extract repeats itself is found once a night for all
    readers (`stg_emr__repeated_rows`). A slice holds the few rows of all extracts in one file: there all are compared. -#}
{% macro lake_relation(feed, unique=true) -%}
    {%- do source('raw', feed) -%}
    {%- set plan = lake_plan()['feeds'].get(feed) or {} -%}
    {%- set later = later_files(plan.get('files') or []) -%}
    {%- set keys = feed_contract(feed)['key'] -%}
    {%- set not_deleted = "coalesce(lower(deleted), 'false') not in ('true', 't', '1', 'yes', 'y')" -%}
    {%- set repeated_rows = ref('stg_emr__repeated_rows') -%}
    {%- if unique and feed in ('patients', 'cart_infusions') or plan.get('deduplicate') and not later and not plan.get('repeats_in_oldest') -%}
        {%- set rows -%}
            -- The few keys told more than once are found by their hash, and they alone are sorted: a third of the time.
            (with repeated as (
                select hash({{ keys | join(', ') }}) as key_hash from {{ lake_rows(feed) }} as lake
                group by key_hash having count(*) > 1
            )

            select * from {{ lake_rows(feed) }} as lake
            where hash({{ keys | join(', ') }}) not in (select repeated.key_hash from repeated)
            union all
            select * from {{ lake_rows(feed) }} as lake
            where hash({{ keys | join(', ') }}) in (select repeated.key_hash from repeated)
            qualify row_number() over (
                partition by {{ keys | join(', ') }}
                order by source_extract desc, source_file desc, source_row desc
            ) = 1)
        {%- endset -%}
    {%- elif plan.get('deduplicate') -%}
        {%- set rows -%}
            (select stored.* from {{ lake_rows(feed) }} as stored
            {%- if later %}
            left join (
                select {{ keys | join(', ') }}, max(row(source_extract, source_file, source_row)) as newest
                from {{ lake_parquet(later) }}
                group by {{ keys | join(', ') }}
            ) as later
                on {% for key in keys %}stored.{{ key }} = later.{{ key }}{{ ' and ' if not loop.last }}{% endfor %}
            {%- endif %}
            where true
            {%- if later %}
                and (later.newest is null
                    or later.newest = row(stored.source_extract, stored.source_file, stored.source_row))
            {%- endif %}
            {%- if plan.get('repeats_in_oldest') %}
                and not exists (
                    select 1 from {{ repeated_rows }} as repeated
                    where repeated.feed = '{{ feed }}' and repeated.source_row = stored.source_row
                        and repeated.source_file = stored.source_file and repeated.source_extract = stored.source_extract
                )
            {%- endif %})
        {%- endset -%}
    {%- else -%}
        {%- set rows = lake_rows(feed) -%}
    {%- endif -%}
    {{ return('(select * from ' ~ rows ~ ' where ' ~ not_deleted ~ ')') }}
{%- endmacro %}

{#- Feeds whose oldest extract may hold a key twice. -#}
{% macro feeds_that_repeat() -%}
    {%- set plans = lake_plan()['feeds'] -%}
    {%- set repeating = [] -%}
    {%- for feed in feed_names() if (plans.get(feed) or {}).get('repeats_in_oldest') -%}
        {%- do repeating.append(feed) -%}
    {%- endfor -%}
    {{ return(repeating) }}
{%- endmacro %}

{#- Of a feed's files (raw/<feed>/<extract>/<file>) the rows of the oldest extract. -#}
{% macro oldest_rows(feed) -%}
    {%- set files = lake_plan()['feeds'][feed]['files'] -%}
    {{ return(lake_parquet(files | reject('in', later_files(files)) | list)) }}
{%- endmacro %}

{#- Of a feed's files (raw/<feed>/<extract>/<file>) those of later extracts than the oldest among them. -#}
{% macro later_files(files) -%}
    {%- set extracts = [] -%}
    {%- for file in files -%}{%- do extracts.append(file.split('/')[2]) -%}{%- endfor -%}
    {%- set oldest = extracts | sort | first -%}
    {%- set later = [] -%}
    {%- for file in files if file.split('/')[2] != oldest -%}{%- do later.append(file) -%}{%- endfor -%}
    {{ return(later) }}
{%- endmacro %}
