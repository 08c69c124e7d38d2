-- Typical questions of an analyst to the published warehouse. Each block begins with its name; each must answer within a second.

-- name: cohort by sex and age band
select sex, age_years >= 18 as adult, count(*) as n, avg(wbc) as mean_wbc, median(marrow_blast_percent) as median_blasts
from marts.patients where included group by all order by all;

-- name: response rate by target and lymphodepletion
select cart_target, flu_cy, count(*) as n, avg(cast(complete_remission as integer)) as cr, avg(cast(mrd_negative as integer)) as mrd_negative
from marts.patients where included group by all order by all;

-- name: one patient's whole course
select event_date, study_day, event_type, value, grade, detail, source_file, source_row
from marts.events where patient_key = (select min(patient_key) from marts.patients) order by event_date, event_type;

-- name: events per type and month
select event_type, date_trunc('month', event_date) as month, count(*) as n from marts.events group by all order by all;

-- name: overall survival curve from scratch
select time_days, count(*) filter (where event) as deaths, sum(count(*)) over (order by time_days desc) as at_risk
from marts.outcomes where endpoint = 'OS' group by time_days order by time_days;

-- name: median follow-up by transplant
select p.bridged_to_hsct, median(o.time_months) as months, count(*) as n
from marts.outcomes o join marts.patients p using (patient_key) where o.endpoint = 'OS' and p.included group by all order by all;

-- name: worst adverse event grades by term
select phase, term, worst_grade, count(*) as n from marts.adverse_events group by all order by all;

-- name: severe CRS with neurotoxicity
select count(*) as n from marts.patients where included and severe_crs and neurotoxicity;

-- name: assessments where marrow and MRD disagree
select count(*) as n from marts.response_assessments where marrow_blast_percent >= 5 and mrd_status = 'negative';

-- name: relapses with the source row that decided them
select o.patient_key, o.event_date, o.evidence[1].file as file, o.evidence[1]."row" as source_row
from marts.outcomes o where o.endpoint = 'RELAPSE' and o.event order by o.event_date desc, o.patient_key limit 100;

-- name: forest plot rows
select endpoint, term, hazard_ratio, ci_low, ci_high, p_value from analysis.cox_models where model = 'univariate' order by all;

-- name: rejected values by column
select feed, "column", reason, count(*) as n from quality.rejected_values group by all order by n desc, feed, "column";
