{#- No event is dated after the patient's death; last contact is the day of death itself. -#}
{% test nothing_after_death(model) %}
select events.*
from {{ model }} as events
inner join {{ ref('int_deaths') }} as deaths on events.patient_key = deaths.patient_key
where events.event_date > deaths.death_date
{% endtest %}
