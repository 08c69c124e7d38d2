{#- The eligibility criteria in the order of the flow diagram: the model int_eligible_<name>, the words for the step and for
    the reason why a patient is out. A criterion that the study file leaves empty is not applied and is no step. -#}
{% macro cohort_criteria() -%}
    {%- set cohort = study('cohort') or {} -%}
    {%- set prefixes = cohort.get('diagnosis_prefixes') or [] -%}
    {%- set phenotype = cohort.get('immunophenotype') or '' -%}
    {%- set window = [] -%}
    {%- if cohort.get('infused_from') -%}{%- do window.append('from ' ~ cohort['infused_from']) -%}{%- endif -%}
    {%- if cohort.get('infused_to') -%}{%- do window.append('to ' ~ cohort['infused_to']) -%}{%- endif -%}
    {%- set excluded = cohort.get('excluded_diagnosis_prefixes') or [] -%}
    {%- set diagnosis = (phenotype ~ ' ' ~ (prefixes | join(', '))) | trim -%}
    {{ return([
        {'name': 'infused', 'applied': true,
         'criterion': 'CAR-T infusion with a date', 'reason': 'no dated first CAR-T infusion'},
        {'name': 'diagnosis', 'applied': (diagnosis | length) > 0,
         'criterion': 'diagnosis ' ~ diagnosis, 'reason': 'no diagnosis ' ~ diagnosis},
        {'name': 'relapsed_or_refractory', 'applied': cohort.get('relapsed_or_refractory') == true,
         'criterion': 'relapsed or refractory', 'reason': 'neither relapsed nor refractory'},
        {'name': 'infusion_window', 'applied': (window | length) > 0,
         'criterion': 'infused ' ~ window | join(' '), 'reason': 'not infused ' ~ window | join(' ')},
        {'name': 'no_excluded_diagnosis', 'applied': (excluded | length) > 0,
         'criterion': 'no diagnosis ' ~ excluded | join(', '), 'reason': 'diagnosis ' ~ excluded | join(', ')},
        {'name': 'follow_up', 'applied': true,
         'criterion': 'follow-up after the infusion', 'reason': 'no follow-up after the infusion'},
    ]) }}
{%- endmacro %}

{% macro is_criterion_applied(name) -%}
    {{ return((cohort_criteria() | selectattr('name', 'equalto', name) | first)['applied']) }}
{%- endmacro %}
