{#- The extract contract as dbt sees it: per feed its key, the date that places a row in time, and its columns with the
    reader of each. The lake holds these columns as text, under these names; staging types them.
    Readers: text, code (one of the listed codes, else rejected), date, datetime, integer (with its range where the
    contract gives one), number, measured (a number that may carry < or >, kept as value and comparator). -#}
{% macro feed_contract(feed) -%}
    {%- set feeds = {
        'patients': {
            'key': ['patient_key'],
            'columns': {
                'sex': {'reader': 'code', 'codes': ['F', 'M']},
                'birth_date': {'reader': 'date'},
            },
        },
        'diagnoses': {
            'key': ['patient_key', 'diagnosed_on', 'code'], 'dated_by': 'diagnosed_on',
            'columns': {
                'diagnosed_on': {'reader': 'date'},
                'code_system': {'reader': 'text'},
                'code': {'reader': 'text'},
                'description': {'reader': 'text'},
                'immunophenotype': {'reader': 'text'},
                'method': {'reader': 'text'},
            },
        },
        'prior_therapies': {
            'key': ['patient_key', 'line'], 'dated_by': 'started_on',
            'columns': {
                'line': {'reader': 'integer', 'at_least': 1},
                'phase': {'reader': 'code', 'codes': ['induction', 'consolidation', 'maintenance', 'salvage']},
                'regimen': {'reader': 'text'},
                'started_on': {'reader': 'date'},
                'ended_on': {'reader': 'date'},
                'outcome': {
                    'reader': 'code', 'codes': ['complete_remission', 'no_remission', 'mrd_persistent', 'relapse'],
                },
            },
        },
        'lab_results': {
            'key': ['patient_key', 'collected_at', 'loinc'], 'dated_by': 'collected_at',
            'columns': {
                'collected_at': {'reader': 'datetime'},
                'specimen': {'reader': 'text'},
                'loinc': {'reader': 'text'},
                'test_name': {'reader': 'text'},
                'value': {'reader': 'measured'},
                'unit': {'reader': 'text'},
            },
        },
        'vital_signs': {
            'key': ['patient_key', 'measured_at', 'sign'], 'dated_by': 'measured_at',
            'columns': {
                'measured_at': {'reader': 'datetime'},
                'sign': {'reader': 'text'},
                'value': {'reader': 'measured'},
                'unit': {'reader': 'text'},
            },
        },
        'marrow_assessments': {
            'key': ['patient_key', 'sampled_on'], 'dated_by': 'sampled_on',
            'columns': {
                'sampled_on': {'reader': 'date'},
                'blast_percent': {'reader': 'number'},
                'method': {'reader': 'text'},
            },
        },
        'mrd_results': {
            'key': ['patient_key', 'sampled_on', 'method'], 'dated_by': 'sampled_on',
            'columns': {
                'sampled_on': {'reader': 'date'},
                'method': {'reader': 'code', 'codes': ['flow', 'qpcr']},
                'target': {'reader': 'text'},
                'value_percent': {'reader': 'measured'},
                'result': {'reader': 'code', 'codes': ['negative', 'positive']},
            },
        },
        'extramedullary_assessments': {
            'key': ['patient_key', 'assessed_on', 'site'], 'dated_by': 'assessed_on',
            'columns': {
                'assessed_on': {'reader': 'date'},
                'site': {'reader': 'text'},
                'method': {'reader': 'text'},
                'finding': {'reader': 'code', 'codes': ['present', 'absent']},
            },
        },
        'molecular_findings': {
            'key': ['patient_key', 'kind', 'gene'], 'dated_by': 'sampled_on',
            'columns': {
                'sampled_on': {'reader': 'date'},
                'kind': {'reader': 'code', 'codes': ['fusion', 'mutation']},
                'gene': {'reader': 'text'},
                'result': {'reader': 'code', 'codes': ['positive', 'negative']},
            },
        },
        'medications': {
            'key': ['patient_key', 'drug', 'started_at'], 'dated_by': 'started_at',
            'columns': {
                'drug': {'reader': 'text'},
                'started_at': {'reader': 'datetime'},
                'ended_at': {'reader': 'datetime'},
                'dose': {'reader': 'number'},
                'dose_unit': {'reader': 'text'},
                'purpose': {'reader': 'text'},
            },
        },
        'cart_infusions': {
            'key': ['patient_key', 'infusion_id'], 'dated_by': 'infused_at',
            'columns': {
                'infusion_id': {'reader': 'text'},
                'infused_at': {'reader': 'datetime'},
                'course': {'reader': 'integer', 'at_least': 1},
                'fraction': {'reader': 'integer', 'at_least': 1},
                'target': {'reader': 'text'},
                'cells_per_kg': {'reader': 'number'},
            },
        },
        'adverse_events': {
            'key': ['patient_key', 'event_id'], 'dated_by': 'started_on',
            'columns': {
                'event_id': {'reader': 'text'},
                'parent_event_id': {'reader': 'text'},
                'term': {'reader': 'text'},
                'grade': {'reader': 'integer', 'at_least': 1, 'at_most': 5},
                'grading_scale': {'reader': 'text'},
                'started_on': {'reader': 'date'},
                'ended_on': {'reader': 'date'},
                'phase': {'reader': 'code', 'codes': ['cart', 'hsct']},
            },
        },
        'encounters': {
            'key': ['patient_key', 'encounter_id'], 'dated_by': 'admitted_at',
            'columns': {
                'encounter_id': {'reader': 'text'},
                'care_unit': {'reader': 'code', 'codes': ['ward', 'icu', 'outpatient']},
                'admitted_at': {'reader': 'datetime'},
                'discharged_at': {'reader': 'datetime'},
            },
        },
        'procedures': {
            'key': ['patient_key', 'procedure', 'performed_on'], 'dated_by': 'performed_on',
            'columns': {
                'procedure': {'reader': 'text'},
                'performed_on': {'reader': 'date'},
                'detail': {'reader': 'text'},
            },
        },
        'follow_ups': {
            'key': ['patient_key', 'visited_on'], 'dated_by': 'visited_on',
            'columns': {
                'visited_on': {'reader': 'date'},
                'vital_status': {'reader': 'code', 'codes': ['alive', 'dead']},
                'death_on': {'reader': 'date'},
                'cause_of_death': {'reader': 'text'},
                'disease_status': {'reader': 'code', 'codes': ['remission', 'relapse', 'not_assessed']},
                'relapse_on': {'reader': 'date'},
                'relapse_site': {'reader': 'text'},
            },
        },
    } -%}
    {%- if feed is none -%}{{ return(feeds) }}{%- endif -%}
    {{ return(feeds[feed]) }}
{%- endmacro %}

{% macro feed_names() -%}
    {{ return(feed_contract(none).keys() | list) }}
{%- endmacro %}
