-- The bare cost of what a refresh reads, casts and writes, as one plain script on the same engine. It makes no decision: no
-- clinical rule, no check, no statistics, no figure, no report, no audit trail.
--
-- 1. Every feed is read, its ids are keyed, and the lake is written.
-- 2. The lake's text gets its types.
-- 3. The lake is read, with these casts, once for each table that a refresh stores from it: the columns that the table
--    reads, and where it asks for certain codes, those rows alone. What is read is only looked at (`max`).
-- 4. and 5. follow in bare_tables.sql, which bare_duckdb.py writes from the catalogue of a finished warehouse: one
--    `create table ... as select * from` for each of its tables, one `copy ... to` for each exported table and
--    for each ADaM and cBioPortal file. They hold what the rules have decided; copied, they cost what the writing costs.
--
-- Variables: `extract` (folder of one extract), `out` (folder to write into), `day` (the extract's date), `inner_pad` and
-- `outer_pad` (the pseudonym key as HMAC pads it).
-- Table macro `feed(name)` (made by bare_duckdb.py for CSV or Parquet): every column as text, `filename`, `source_row`.

-- HMAC-SHA-256 of RFC 2104, as 64 hexadecimal digits.
create macro keyed(id) as sha256(getvariable('outer_pad') || unhex(sha256(getvariable('inner_pad') || encode(id))));
create macro keyed_as(kind, id) as left(keyed(kind || ':' || id), 32);

-- ---- 1. the lake: every row as text, keyed, with extract, file and row -----------------------------------------------

create table keys as select patient_id, keyed(patient_id) as patient_key from (select distinct patient_id from feed('patients'));

copy (
    select k.patient_key, f.sex, f.birth_date,
        null::varchar as deleted, getvariable('day') as source_extract, parse_filename(f.filename) as source_file, f.source_row
    from feed('patients') as f join keys as k using (patient_id)
) to (getvariable('out') || '/lake/patients.parquet') (compression zstd);

copy (
    select k.patient_key, f.diagnosed_on, f.code_system, f.code, f.description, f.immunophenotype, f.method,
        null::varchar as deleted, getvariable('day') as source_extract, parse_filename(f.filename) as source_file, f.source_row
    from feed('diagnoses') as f join keys as k using (patient_id)
) to (getvariable('out') || '/lake/diagnoses.parquet') (compression zstd);

copy (
    select k.patient_key, f.line, f.phase, f.regimen, f.started_on, f.ended_on, f.outcome,
        null::varchar as deleted, getvariable('day') as source_extract, parse_filename(f.filename) as source_file, f.source_row
    from feed('prior_therapies') as f join keys as k using (patient_id)
) to (getvariable('out') || '/lake/prior_therapies.parquet') (compression zstd);

copy (
    select k.patient_key, f.collected_at, f.specimen, f.loinc, f.test_name, f.value, f.unit,
        null::varchar as deleted, getvariable('day') as source_extract, parse_filename(f.filename) as source_file, f.source_row
    from feed('lab_results') as f join keys as k using (patient_id)
) to (getvariable('out') || '/lake/lab_results.parquet') (compression zstd);

copy (
    select k.patient_key, f.measured_at, f.sign, f.value, f.unit,
        null::varchar as deleted, getvariable('day') as source_extract, parse_filename(f.filename) as source_file, f.source_row
    from feed('vital_signs') as f join keys as k using (patient_id)
) to (getvariable('out') || '/lake/vital_signs.parquet') (compression zstd);

copy (
    select k.patient_key, f.sampled_on, f.blast_percent, f.method,
        null::varchar as deleted, getvariable('day') as source_extract, parse_filename(f.filename) as source_file, f.source_row
    from feed('marrow_assessments') as f join keys as k using (patient_id)
) to (getvariable('out') || '/lake/marrow_assessments.parquet') (compression zstd);

copy (
    select k.patient_key, f.sampled_on, f.method, f.target, f.value_percent, f.result,
        null::varchar as deleted, getvariable('day') as source_extract, parse_filename(f.filename) as source_file, f.source_row
    from feed('mrd_results') as f join keys as k using (patient_id)
) to (getvariable('out') || '/lake/mrd_results.parquet') (compression zstd);

copy (
    select k.patient_key, f.assessed_on, f.site, f.method, f.finding,
        null::varchar as deleted, getvariable('day') as source_extract, parse_filename(f.filename) as source_file, f.source_row
    from feed('extramedullary_assessments') as f join keys as k using (patient_id)
) to (getvariable('out') || '/lake/extramedullary_assessments.parquet') (compression zstd);

copy (
    select k.patient_key, f.sampled_on, f.kind, f.gene, f.result,
        null::varchar as deleted, getvariable('day') as source_extract, parse_filename(f.filename) as source_file, f.source_row
    from feed('molecular_findings') as f join keys as k using (patient_id)
) to (getvariable('out') || '/lake/molecular_findings.parquet') (compression zstd);

copy (
    select k.patient_key, f.drug, f.started_at, f.ended_at, f.dose, f.dose_unit, f.purpose,
        null::varchar as deleted, getvariable('day') as source_extract, parse_filename(f.filename) as source_file, f.source_row
    from feed('medications') as f join keys as k using (patient_id)
) to (getvariable('out') || '/lake/medications.parquet') (compression zstd);

copy (
    select k.patient_key, keyed_as('infusion', f.infusion_id) as infusion_id, f.infused_at, f.course, f.fraction, f.target, f.cells_per_kg,
        null::varchar as deleted, getvariable('day') as source_extract, parse_filename(f.filename) as source_file, f.source_row
    from feed('cart_infusions') as f join keys as k using (patient_id)
) to (getvariable('out') || '/lake/cart_infusions.parquet') (compression zstd);

copy (
    select k.patient_key, keyed_as('event', f.event_id) as event_id, keyed_as('event', f.parent_event_id) as parent_event_id, f.term, f.grade, f.grading_scale, f.started_on, f.ended_on, f.phase,
        null::varchar as deleted, getvariable('day') as source_extract, parse_filename(f.filename) as source_file, f.source_row
    from feed('adverse_events') as f join keys as k using (patient_id)
) to (getvariable('out') || '/lake/adverse_events.parquet') (compression zstd);

copy (
    select k.patient_key, keyed_as('encounter', f.encounter_id) as encounter_id, f.care_unit, f.admitted_at, f.discharged_at,
        null::varchar as deleted, getvariable('day') as source_extract, parse_filename(f.filename) as source_file, f.source_row
    from feed('encounters') as f join keys as k using (patient_id)
) to (getvariable('out') || '/lake/encounters.parquet') (compression zstd);

copy (
    select k.patient_key, f.procedure, f.performed_on, f.detail,
        null::varchar as deleted, getvariable('day') as source_extract, parse_filename(f.filename) as source_file, f.source_row
    from feed('procedures') as f join keys as k using (patient_id)
) to (getvariable('out') || '/lake/procedures.parquet') (compression zstd);

copy (
    select k.patient_key, f.visited_on, f.vital_status, f.death_on, f.cause_of_death, f.disease_status, f.relapse_on, f.relapse_site,
        null::varchar as deleted, getvariable('day') as source_extract, parse_filename(f.filename) as source_file, f.source_row
    from feed('follow_ups') as f join keys as k using (patient_id)
) to (getvariable('out') || '/lake/follow_ups.parquet') (compression zstd);

-- ---- 2. types --------------------------------------------------------------------------------------------------------

create macro lake(name) as table from read_parquet(getvariable('out') || '/lake/' || name || '.parquet');

create view patients as
select patient_key, sex, try_cast(birth_date as date) as birth_date,
    cast(source_extract as date) as source_extract, source_file, source_row
from lake('patients');

create view diagnoses as
select patient_key, try_cast(diagnosed_on as date) as diagnosed_on, code_system, code, description, immunophenotype, method,
    cast(source_extract as date) as source_extract, source_file, source_row
from lake('diagnoses');

create view prior_therapies as
select patient_key, try_cast(line as integer) as line, phase, regimen, try_cast(started_on as date) as started_on, try_cast(ended_on as date) as ended_on, outcome,
    cast(source_extract as date) as source_extract, source_file, source_row
from lake('prior_therapies');

create view lab_results as
select patient_key, try_cast(collected_at as timestamp) as collected_at, contains(collected_at, ':') as collected_at_has_time, specimen, loinc, test_name, try_cast(ltrim(value, '<>= ') as double) as value, unit,
    cast(source_extract as date) as source_extract, source_file, source_row
from lake('lab_results');

create view vital_signs as
select patient_key, try_cast(measured_at as timestamp) as measured_at, contains(measured_at, ':') as measured_at_has_time, sign, try_cast(ltrim(value, '<>= ') as double) as value, unit,
    cast(source_extract as date) as source_extract, source_file, source_row
from lake('vital_signs');

create view marrow_assessments as
select patient_key, try_cast(sampled_on as date) as sampled_on, try_cast(blast_percent as double) as blast_percent, method,
    cast(source_extract as date) as source_extract, source_file, source_row
from lake('marrow_assessments');

create view mrd_results as
select patient_key, try_cast(sampled_on as date) as sampled_on, method, target, try_cast(ltrim(value_percent, '<>= ') as double) as value_percent, result,
    cast(source_extract as date) as source_extract, source_file, source_row
from lake('mrd_results');

create view extramedullary_assessments as
select patient_key, try_cast(assessed_on as date) as assessed_on, site, method, finding,
    cast(source_extract as date) as source_extract, source_file, source_row
from lake('extramedullary_assessments');

create view molecular_findings as
select patient_key, try_cast(sampled_on as date) as sampled_on, kind, gene, result,
    cast(source_extract as date) as source_extract, source_file, source_row
from lake('molecular_findings');

create view medications as
select patient_key, drug, try_cast(started_at as timestamp) as started_at, contains(started_at, ':') as started_at_has_time, try_cast(ended_at as timestamp) as ended_at, contains(ended_at, ':') as ended_at_has_time, try_cast(dose as double) as dose, dose_unit, purpose,
    cast(source_extract as date) as source_extract, source_file, source_row
from lake('medications');

create view cart_infusions as
select patient_key, infusion_id, try_cast(infused_at as timestamp) as infused_at, contains(infused_at, ':') as infused_at_has_time, try_cast(course as integer) as course, try_cast(fraction as integer) as fraction, target, try_cast(cells_per_kg as double) as cells_per_kg,
    cast(source_extract as date) as source_extract, source_file, source_row
from lake('cart_infusions');

create view adverse_events as
select patient_key, event_id, parent_event_id, term, try_cast(grade as integer) as grade, grading_scale, try_cast(started_on as date) as started_on, try_cast(ended_on as date) as ended_on, phase,
    cast(source_extract as date) as source_extract, source_file, source_row
from lake('adverse_events');

create view encounters as
select patient_key, encounter_id, care_unit, try_cast(admitted_at as timestamp) as admitted_at, contains(admitted_at, ':') as admitted_at_has_time, try_cast(discharged_at as timestamp) as discharged_at, contains(discharged_at, ':') as discharged_at_has_time,
    cast(source_extract as date) as source_extract, source_file, source_row
from lake('encounters');

create view procedures as
select patient_key, procedure, try_cast(performed_on as date) as performed_on, detail,
    cast(source_extract as date) as source_extract, source_file, source_row
from lake('procedures');

create view follow_ups as
select patient_key, try_cast(visited_on as date) as visited_on, vital_status, try_cast(death_on as date) as death_on, cause_of_death, disease_status, try_cast(relapse_on as date) as relapse_on, relapse_site,
    cast(source_extract as date) as source_extract, source_file, source_row
from lake('follow_ups');

-- ---- 3. readings, by the table that is stored from them ---------------------------------------------------------------

-- int_time_zero
select max(columns(*)) from (select patient_key, infused_at, infused_at_has_time, course, fraction, source_extract, source_file, source_row from cart_infusions);
-- int_cart_product
select max(columns(*)) from (select patient_key, infused_at, course, target, cells_per_kg, source_extract, source_file, source_row from cart_infusions);
-- events
select max(columns(*)) from (select patient_key, infused_at, course, fraction, target, cells_per_kg, source_extract, source_file, source_row from cart_infusions);
-- int_subsequent_therapies
select max(columns(*)) from (select patient_key, infused_at, course, source_extract, source_file, source_row from cart_infusions);
-- int_subsequent_therapies
select max(columns(*)) from (select patient_key, started_at, purpose, source_extract, source_file, source_row from medications where purpose in ('consolidation', 'salvage'));
-- int_graded_labs
select max(columns(*)) from (select patient_key, collected_at, specimen, loinc, value, unit, source_extract, source_file, source_row from lab_results where loinc in ('6690-2', '751-8', '731-0', '777-3', '718-7', '1742-6', '1920-8', '1975-2'));
-- int_lab_files
select max(columns(*)) from (select source_extract, source_file from lab_results);
-- int_cell_persistence
select max(columns(*)) from (select patient_key, collected_at, loinc, value, source_extract, source_file, source_row from lab_results where loinc in ('8117-4', 'LOCAL-VCN'));
-- int_circulating_blasts
select max(columns(*)) from (select patient_key, collected_at, loinc, value, source_extract, source_file, source_row from lab_results where loinc = '26446-6');
-- int_baseline_labs
select max(columns(*)) from (select patient_key, collected_at, collected_at_has_time, specimen, loinc, value, unit, source_extract, source_file, source_row from lab_results where loinc in ('6690-2'));
-- int_crs_vital_signs
select max(columns(*)) from (select patient_key, measured_at, sign, value, source_extract, source_file, source_row from vital_signs where sign in ('systolic_bp', 'oxygen_flow'));
-- int_crs_episodes
select max(columns(*)) from (select patient_key, measured_at, value, unit, source_extract, source_file, source_row from vital_signs where sign = 'temperature');
-- int_icans
select max(columns(*)) from (select patient_key, measured_at, value, source_extract, source_file, source_row from vital_signs where sign = 'ice_score');
-- int_crs_organ_toxicity
select max(columns(*)) from (select patient_key, sex from patients);
-- int_crs_vital_signs
select max(columns(*)) from (select patient_key, birth_date from patients);
-- int_worst_labs
select max(columns(*)) from (select patient_key, sex from patients);
-- int_lab_toxicity
select max(columns(*)) from (select patient_key, sex from patients);
-- int_cohort
select max(columns(*)) from (select patient_key from patients);
-- int_eligible_infused
select max(columns(*)) from (select patient_key from patients);
-- int_eligible_infusion_window
select max(columns(*)) from (select patient_key from patients);
-- int_eligible_diagnosis
select max(columns(*)) from (select patient_key from patients);
-- int_eligible_no_excluded_diagnosis
select max(columns(*)) from (select patient_key from patients);
-- int_eligible_relapsed_or_refractory
select max(columns(*)) from (select patient_key from patients);
-- int_eligible_follow_up
select max(columns(*)) from (select patient_key from patients);
-- patients
select max(columns(*)) from (select patient_key, sex, birth_date from patients);
-- int_eligible_diagnosis
select max(columns(*)) from (select patient_key, diagnosed_on, code, immunophenotype from diagnoses);
-- int_eligible_no_excluded_diagnosis
select max(columns(*)) from (select patient_key, diagnosed_on, code from diagnoses);
-- int_recorded_disease_labels
select max(columns(*)) from (select patient_key, diagnosed_on, code, description from diagnoses);
-- int_prior_therapy
select max(columns(*)) from (select patient_key, started_on, source_extract, source_file, source_row from prior_therapies);
-- int_refractory
select max(columns(*)) from (select patient_key, phase, started_on, outcome, source_extract, source_file, source_row from prior_therapies);
-- int_relapsed
select max(columns(*)) from (select patient_key, started_on, ended_on, outcome, source_extract, source_file, source_row from prior_therapies);
-- int_crs_treatments
select max(columns(*)) from (select patient_key, drug, started_at, dose, dose_unit, source_extract, source_file, source_row from medications where purpose = 'crs_treatment');
-- int_crs_pressors
select max(columns(*)) from (select patient_key, drug, started_at, ended_at, dose, dose_unit, source_extract, source_file, source_row from medications);
-- int_lymphodepletion
select max(columns(*)) from (select patient_key, drug, started_at, source_extract, source_file, source_row from medications where purpose = 'lymphodepletion');
-- int_crs_ventilation
select max(columns(*)) from (select patient_key, procedure, performed_on, source_extract, source_file, source_row from procedures);
-- int_allo_transplants
select max(columns(*)) from (select patient_key, performed_on, detail, source_extract, source_file, source_row from procedures where procedure = 'allo_hsct');
-- int_patient_hsct
select max(columns(*)) from (select patient_key, performed_on from procedures);
-- int_recorded_adverse_events
select max(columns(*)) from (select patient_key, event_id, parent_event_id, term, grade, grading_scale, started_on, ended_on, phase, source_extract, source_file, source_row from adverse_events);
-- int_icu_admissions
select max(columns(*)) from (select patient_key, encounter_id, admitted_at, discharged_at, source_extract, source_file, source_row from encounters where care_unit = 'icu');
-- int_assessment_extramedullary
select max(columns(*)) from (select patient_key, assessed_on, site, finding, source_extract, source_file, source_row from extramedullary_assessments);
-- int_response_assessment_dates
select max(columns(*)) from (select patient_key, assessed_on, finding, source_extract, source_file, source_row from extramedullary_assessments);
-- int_leukemia_findings
select max(columns(*)) from (select patient_key, assessed_on, site, source_extract, source_file, source_row from extramedullary_assessments where finding = 'present');
-- int_baseline_extramedullary
select max(columns(*)) from (select patient_key, assessed_on, site, finding, source_extract, source_file, source_row from extramedullary_assessments);
-- int_relapsed
select max(columns(*)) from (select patient_key, assessed_on, source_extract, source_file, source_row from extramedullary_assessments where finding = 'present');
-- int_assessment_marrow
select max(columns(*)) from (select patient_key, sampled_on, blast_percent, source_extract, source_file, source_row from marrow_assessments);
-- int_response_assessment_dates
select max(columns(*)) from (select patient_key, sampled_on, blast_percent, source_extract, source_file, source_row from marrow_assessments);
-- int_leukemia_findings
select max(columns(*)) from (select patient_key, sampled_on, blast_percent, source_extract, source_file, source_row from marrow_assessments);
-- int_baseline_marrow
select max(columns(*)) from (select patient_key, sampled_on, blast_percent, source_extract, source_file, source_row from marrow_assessments);
-- int_relapsed
select max(columns(*)) from (select patient_key, sampled_on, blast_percent, source_extract, source_file, source_row from marrow_assessments);
-- int_mrd_findings
select max(columns(*)) from (select patient_key, sampled_on, method, target, value_percent, result, source_extract, source_file, source_row from mrd_results);
-- int_baseline_genes
select max(columns(*)) from (select patient_key, sampled_on, kind, gene, result, source_extract, source_file, source_row from molecular_findings);
-- int_leukemia_findings
select max(columns(*)) from (select patient_key, visited_on, disease_status, relapse_on, relapse_site, source_extract, source_file, source_row from follow_ups);
-- int_deaths
select max(columns(*)) from (select patient_key, visited_on, vital_status, death_on, cause_of_death, source_extract, source_file, source_row from follow_ups);
-- int_last_visits
select max(columns(*)) from (select patient_key, visited_on, source_extract, source_file, source_row from follow_ups);
-- int_eligible_follow_up
select max(columns(*)) from (select patient_key, visited_on from follow_ups);
-- int_late_visits
select max(columns(*)) from (select patient_key, visited_on, vital_status, death_on, source_extract, source_file, source_row from follow_ups);
-- int_last_clinical_rows
select max(columns(*)) from (select patient_key, sampled_on, source_extract, source_file, source_row from marrow_assessments);
-- int_last_clinical_rows
select max(columns(*)) from (select patient_key, sampled_on, source_extract, source_file, source_row from mrd_results);
-- int_last_clinical_rows
select max(columns(*)) from (select patient_key, assessed_on, source_extract, source_file, source_row from extramedullary_assessments);
-- int_last_clinical_rows
select max(columns(*)) from (select patient_key, collected_at, source_extract, source_file, source_row from lab_results);
-- int_last_clinical_rows
select max(columns(*)) from (select patient_key, measured_at, source_extract, source_file, source_row from vital_signs);
-- int_last_clinical_rows
select max(columns(*)) from (select patient_key, started_at, source_extract, source_file, source_row from medications);
-- int_last_clinical_rows
select max(columns(*)) from (select patient_key, infused_at, source_extract, source_file, source_row from cart_infusions);
-- int_last_clinical_rows
select max(columns(*)) from (select patient_key, started_on, source_extract, source_file, source_row from adverse_events);
-- int_last_clinical_rows
select max(columns(*)) from (select patient_key, admitted_at, source_extract, source_file, source_row from encounters);
-- int_last_clinical_rows
select max(columns(*)) from (select patient_key, performed_on, source_extract, source_file, source_row from procedures);

-- quality.rejected_values: every value that has a type
-- rejected_values
select max(columns(*)) from (select patient_key, birth_date, source_extract, source_file, source_row from patients);
-- rejected_values
select max(columns(*)) from (select patient_key, diagnosed_on, source_extract, source_file, source_row from diagnoses);
-- rejected_values
select max(columns(*)) from (select patient_key, line, started_on, ended_on, source_extract, source_file, source_row from prior_therapies);
-- rejected_values
select max(columns(*)) from (select patient_key, collected_at, value, source_extract, source_file, source_row from lab_results);
-- rejected_values
select max(columns(*)) from (select patient_key, measured_at, value, source_extract, source_file, source_row from vital_signs);
-- rejected_values
select max(columns(*)) from (select patient_key, sampled_on, blast_percent, source_extract, source_file, source_row from marrow_assessments);
-- rejected_values
select max(columns(*)) from (select patient_key, sampled_on, value_percent, source_extract, source_file, source_row from mrd_results);
-- rejected_values
select max(columns(*)) from (select patient_key, assessed_on, source_extract, source_file, source_row from extramedullary_assessments);
-- rejected_values
select max(columns(*)) from (select patient_key, sampled_on, source_extract, source_file, source_row from molecular_findings);
-- rejected_values
select max(columns(*)) from (select patient_key, started_at, ended_at, dose, source_extract, source_file, source_row from medications);
-- rejected_values
select max(columns(*)) from (select patient_key, infused_at, course, fraction, cells_per_kg, source_extract, source_file, source_row from cart_infusions);
-- rejected_values
select max(columns(*)) from (select patient_key, grade, started_on, ended_on, source_extract, source_file, source_row from adverse_events);
-- rejected_values
select max(columns(*)) from (select patient_key, admitted_at, discharged_at, source_extract, source_file, source_row from encounters);
-- rejected_values
select max(columns(*)) from (select patient_key, performed_on, source_extract, source_file, source_row from procedures);
-- rejected_values
select max(columns(*)) from (select patient_key, visited_on, death_on, relapse_on, source_extract, source_file, source_row from follow_ups);

-- quality.ignored_rows: the date that places a row in time
-- ignored_rows
select max(columns(*)) from (select sampled_on, source_extract, source_file from marrow_assessments);
-- ignored_rows
select max(columns(*)) from (select sampled_on, source_extract, source_file from mrd_results);
-- ignored_rows
select max(columns(*)) from (select assessed_on, source_extract, source_file from extramedullary_assessments);
-- ignored_rows
select max(columns(*)) from (select collected_at, source_extract, source_file from lab_results);
-- ignored_rows
select max(columns(*)) from (select measured_at, source_extract, source_file from vital_signs);
-- ignored_rows
select max(columns(*)) from (select started_at, source_extract, source_file from medications);
-- ignored_rows
select max(columns(*)) from (select infused_at, source_extract, source_file from cart_infusions);
-- ignored_rows
select max(columns(*)) from (select started_on, source_extract, source_file from adverse_events);
-- ignored_rows
select max(columns(*)) from (select admitted_at, source_extract, source_file from encounters);
-- ignored_rows
select max(columns(*)) from (select performed_on, source_extract, source_file from procedures);
-- ignored_rows
select max(columns(*)) from (select diagnosed_on, source_extract, source_file from diagnoses);
-- ignored_rows
select max(columns(*)) from (select started_on, source_extract, source_file from prior_therapies);
-- ignored_rows
select max(columns(*)) from (select sampled_on, source_extract, source_file from molecular_findings);
-- ignored_rows
select max(columns(*)) from (select visited_on, source_extract, source_file from follow_ups);

-- quality.rejected_rows: whose row it is
-- rejected_rows
select max(columns(*)) from (select patient_key from diagnoses);
-- rejected_rows
select max(columns(*)) from (select patient_key from prior_therapies);
-- rejected_rows
select max(columns(*)) from (select patient_key from lab_results);
-- rejected_rows
select max(columns(*)) from (select patient_key from vital_signs);
-- rejected_rows
select max(columns(*)) from (select patient_key from marrow_assessments);
-- rejected_rows
select max(columns(*)) from (select patient_key from mrd_results);
-- rejected_rows
select max(columns(*)) from (select patient_key from extramedullary_assessments);
-- rejected_rows
select max(columns(*)) from (select patient_key from molecular_findings);
-- rejected_rows
select max(columns(*)) from (select patient_key from medications);
-- rejected_rows
select max(columns(*)) from (select patient_key from cart_infusions);
-- rejected_rows
select max(columns(*)) from (select patient_key from adverse_events);
-- rejected_rows
select max(columns(*)) from (select patient_key from encounters);
-- rejected_rows
select max(columns(*)) from (select patient_key from procedures);
-- rejected_rows
select max(columns(*)) from (select patient_key from follow_ups);
