{#- Rows that show a response under its rule set: the findings', for ELN the blood counts' too. Needs response_rows. -#}
{% macro response_evidence(responses) -%}
    case
        when {{ responses }}.rule_set = 'eln' then {{ merge_evidence(['findings.evidence', 'counts.evidence']) }}
        else findings.evidence
    end
{%- endmacro %}

{#- Joins what response_evidence names to rows of int_response_by_rule. -#}
{% macro response_rows(responses) -%}
inner join {{ ref('int_response_findings') }} as findings
    on {{ responses }}.patient_key = findings.patient_key and {{ responses }}.assessed_on = findings.assessed_on
left join {{ ref('int_assessment_counts') }} as counts
    on
        {{ responses }}.rule_set = 'eln'
        and {{ responses }}.patient_key = counts.patient_key
        and {{ responses }}.assessed_on = counts.assessed_on
{%- endmacro %}
