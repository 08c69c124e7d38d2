{#- Units are written in many ways; this spelling is the one in the seed lab_units. -#}
{% macro normalised_unit(unit) -%}
    replace(replace(replace(replace(lower({{ unit }}), ' ', ''), 'μ', 'u'), 'µ', 'u'), '×', 'x')
{%- endmacro %}

{#- The factor that turns a lab value into its analyte's canonical unit (joins: seed lab_units as `units`).
    A value without a unit stands in the contract's own unit; one in an unknown unit has no factor and is not used. -#}
{% macro unit_factor(unit='labs.unit') -%}
    case when {{ unit }} is null then 1.0 else units.factor end
{%- endmacro %}

{% macro unit_join(unit='labs.unit', analyte='analytes.analyte') -%}
    left join {{ ref('lab_units') }} as units
        on {{ analyte }} = units.analyte and {{ normalised_unit(unit) }} = units.unit
{%- endmacro %}
