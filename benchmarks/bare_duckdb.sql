-- What a refresh must at least do, as one plain script: read every feed, pseudonymise, keep the rows as Parquet with
-- their evidence, cast them, aggregate what the marts need, write the marts and export them. No checks, no audit trail,
-- no clinical edge cases, no statistics, no figures: the bare cost of reads, casts and writes on the same engine.
--
-- Variables: `extract` (folder of one extract), `out` (folder to write into), `day` (the extract's date), `key`.
-- Table macro `feed(name)` (made by bare_duckdb.py for CSV or Parquet): every column as text, and `filename`.

create table keys as
select distinct patient_id, sha256(getvariable('key') || patient_id) as patient_key from feed('patients');

create macro evidence(filename) as parse_filename(filename);

-- ---- 1. the lake: every row as text, keyed, with extract, file and row -----------------------------------------------

copy (select k.patient_key, f.sex, f.birth_date, getvariable('day') as source_extract, evidence(f.filename) as source_file, row_number() over () as source_row
      from feed('patients') f join keys k using (patient_id))
to (getvariable('out') || '/lake_patients.parquet') (compression zstd);

copy (select k.patient_key, f.diagnosed_on, f.code_system, f.code, f.description, f.immunophenotype, f.method, getvariable('day') as source_extract, evidence(f.filename) as source_file, row_number() over () as source_row
      from feed('diagnoses') f join keys k using (patient_id))
to (getvariable('out') || '/lake_diagnoses.parquet') (compression zstd);

copy (select k.patient_key, f.line, f.phase, f.regimen, f.started_on, f.ended_on, f.outcome, getvariable('day') as source_extract, evidence(f.filename) as source_file, row_number() over () as source_row
      from feed('prior_therapies') f join keys k using (patient_id))
to (getvariable('out') || '/lake_prior_therapies.parquet') (compression zstd);

copy (select k.patient_key, f.collected_at, f.specimen, f.loinc, f.test_name, f.value, f.unit, getvariable('day') as source_extract, evidence(f.filename) as source_file, row_number() over () as source_row
      from feed('lab_results') f join keys k using (patient_id))
to (getvariable('out') || '/lake_lab_results.parquet') (compression zstd);

copy (select k.patient_key, f.measured_at, f.sign, f.value, f.unit, getvariable('day') as source_extract, evidence(f.filename) as source_file, row_number() over () as source_row
      from feed('vital_signs') f join keys k using (patient_id))
to (getvariable('out') || '/lake_vital_signs.parquet') (compression zstd);

copy (select k.patient_key, f.sampled_on, f.blast_percent, f.method, getvariable('day') as source_extract, evidence(f.filename) as source_file, row_number() over () as source_row
      from feed('marrow_assessments') f join keys k using (patient_id))
to (getvariable('out') || '/lake_marrow_assessments.parquet') (compression zstd);

copy (select k.patient_key, f.sampled_on, f.method, f.target, f.value_percent, f.result, getvariable('day') as source_extract, evidence(f.filename) as source_file, row_number() over () as source_row
      from feed('mrd_results') f join keys k using (patient_id))
to (getvariable('out') || '/lake_mrd_results.parquet') (compression zstd);

copy (select k.patient_key, f.assessed_on, f.site, f.method, f.finding, getvariable('day') as source_extract, evidence(f.filename) as source_file, row_number() over () as source_row
      from feed('extramedullary_assessments') f join keys k using (patient_id))
to (getvariable('out') || '/lake_extramedullary_assessments.parquet') (compression zstd);

copy (select k.patient_key, f.sampled_on, f.kind, f.gene, f.result, getvariable('day') as source_extract, evidence(f.filename) as source_file, row_number() over () as source_row
      from feed('molecular_findings') f join keys k using (patient_id))
to (getvariable('out') || '/lake_molecular_findings.parquet') (compression zstd);

copy (select k.patient_key, f.drug, f.started_at, f.ended_at, f.dose, f.dose_unit, f.purpose, getvariable('day') as source_extract, evidence(f.filename) as source_file, row_number() over () as source_row
      from feed('medications') f join keys k using (patient_id))
to (getvariable('out') || '/lake_medications.parquet') (compression zstd);

copy (select k.patient_key, sha256(getvariable('key') || f.infusion_id) as infusion_id, f.infused_at, f.course, f.fraction, f.target, f.cells_per_kg, getvariable('day') as source_extract, evidence(f.filename) as source_file, row_number() over () as source_row
      from feed('cart_infusions') f join keys k using (patient_id))
to (getvariable('out') || '/lake_cart_infusions.parquet') (compression zstd);

copy (select k.patient_key, sha256(getvariable('key') || f.event_id) as event_id, sha256(getvariable('key') || f.parent_event_id) as parent_event_id, f.term, f.grade, f.grading_scale, f.started_on, f.ended_on, f.phase, getvariable('day') as source_extract, evidence(f.filename) as source_file, row_number() over () as source_row
      from feed('adverse_events') f join keys k using (patient_id))
to (getvariable('out') || '/lake_adverse_events.parquet') (compression zstd);

copy (select k.patient_key, sha256(getvariable('key') || f.encounter_id) as encounter_id, f.care_unit, f.admitted_at, f.discharged_at, getvariable('day') as source_extract, evidence(f.filename) as source_file, row_number() over () as source_row
      from feed('encounters') f join keys k using (patient_id))
to (getvariable('out') || '/lake_encounters.parquet') (compression zstd);

copy (select k.patient_key, f.procedure, f.performed_on, f.detail, getvariable('day') as source_extract, evidence(f.filename) as source_file, row_number() over () as source_row
      from feed('procedures') f join keys k using (patient_id))
to (getvariable('out') || '/lake_procedures.parquet') (compression zstd);

copy (select k.patient_key, f.visited_on, f.vital_status, f.death_on, f.cause_of_death, f.disease_status, f.relapse_on, f.relapse_site, getvariable('day') as source_extract, evidence(f.filename) as source_file, row_number() over () as source_row
      from feed('follow_ups') f join keys k using (patient_id))
to (getvariable('out') || '/lake_follow_ups.parquet') (compression zstd);

-- ---- 2. typed rows ---------------------------------------------------------------------------------------------------

create macro lake(name) as table from read_parquet(getvariable('out') || '/lake_' || name || '.parquet');
create schema staging;
create schema marts;

create view staging.lab_results as
select patient_key, try_cast(collected_at as timestamp) as collected_at, contains(collected_at, ':') as has_time, specimen, loinc, test_name,
    try_cast(ltrim(value, '<>= ') as double) as value, nullif(regexp_extract(value, '^[<>=]+'), '') as comparator, unit,
    source_extract, source_file, source_row
from lake('lab_results');

create view staging.vital_signs as
select patient_key, try_cast(measured_at as timestamp) as measured_at, sign, try_cast(value as double) as value, source_extract, source_file, source_row
from lake('vital_signs');

create table staging.patients as
select patient_key, sex, try_cast(birth_date as date) as birth_date, source_extract, source_file, source_row from lake('patients');

create table staging.infusions as
select patient_key, infusion_id, try_cast(infused_at as timestamp) as infused_at, try_cast(course as integer) as course,
    try_cast(fraction as integer) as fraction, target, try_cast(cells_per_kg as double) as cells_per_kg, source_extract, source_file, source_row
from lake('cart_infusions');

create table staging.marrow as
select patient_key, try_cast(sampled_on as date) as sampled_on, try_cast(blast_percent as double) as blast_percent, source_extract, source_file, source_row
from lake('marrow_assessments');

create table staging.mrd as
select patient_key, try_cast(sampled_on as date) as sampled_on, method, target, try_cast(ltrim(value_percent, '<>= ') as double) as value_percent, result,
    source_extract, source_file, source_row
from lake('mrd_results');

create table staging.extramedullary as
select patient_key, try_cast(assessed_on as date) as assessed_on, site, finding, source_extract, source_file, source_row
from lake('extramedullary_assessments');

create table staging.adverse_events as
select patient_key, event_id, parent_event_id, term, try_cast(grade as integer) as grade, grading_scale, try_cast(started_on as date) as started_on,
    try_cast(ended_on as date) as ended_on, phase, source_extract, source_file, source_row
from lake('adverse_events');

create table staging.medications as
select patient_key, drug, try_cast(started_at as timestamp) as started_at, try_cast(ended_at as timestamp) as ended_at, try_cast(dose as double) as dose,
    purpose, source_extract, source_file, source_row
from lake('medications');

create table staging.follow_ups as
select patient_key, try_cast(visited_on as date) as visited_on, vital_status, try_cast(death_on as date) as death_on, disease_status,
    try_cast(relapse_on as date) as relapse_on, source_extract, source_file, source_row
from lake('follow_ups');

-- ---- 3. what needs the long feeds -----------------------------------------------------------------------------------

create table time_zero as
select patient_key, min(infused_at) as infused_at, cast(min(infused_at) as date) as day0 from staging.infusions where course = 1 group by patient_key;

create table baseline_labs as
select l.patient_key, l.loinc, max(l.collected_at) as collected_at, arg_max(l.value, l.collected_at) as value,
    arg_max(struct_pack(extract := l.source_extract, file := l.source_file, "row" := l.source_row), l.collected_at) as evidence
from staging.lab_results l join time_zero z using (patient_key)
where l.loinc in ('6690-2', '751-8', '777-3', '718-7', '1742-6', '1920-8', '1975-2', '1988-5', '2276-4', '26881-3')
    and l.collected_at <= z.infused_at and l.collected_at >= z.infused_at - interval 30 days and l.value is not null
group by l.patient_key, l.loinc;

create table worst_labs as
select l.patient_key, l.loinc, cast(l.collected_at as date) >= z.day0 + 1 as after_infusion,
    arg_min(struct_pack(value := l.value, day := cast(l.collected_at as date) - z.day0, extract := l.source_extract, file := l.source_file, "row" := l.source_row), l.value) as lowest,
    arg_max(struct_pack(value := l.value, day := cast(l.collected_at as date) - z.day0, extract := l.source_extract, file := l.source_file, "row" := l.source_row), l.value) as highest
from staging.lab_results l join time_zero z using (patient_key)
where l.loinc in ('6690-2', '751-8', '777-3', '718-7', '1742-6', '1920-8', '1975-2')
    and l.collected_at between z.day0 - interval 30 days and z.day0 + interval 31 days and l.value is not null
group by all;

create table neutrophil_days as
select l.patient_key, cast(l.collected_at as date) - z.day0 as study_day, min(l.value) as neutrophils
from staging.lab_results l join time_zero z using (patient_key)
where l.loinc = '751-8' and l.collected_at between z.day0 and z.day0 + interval 100 days and l.value is not null
group by all;

create table circulating_blasts as
select l.patient_key, cast(l.collected_at as date) as collected_on, l.value, l.source_extract, l.source_file, l.source_row
from staging.lab_results l where l.loinc = '26446-6' and l.value is not null;

create table rejected_values as
select 'lab_results' as feed, source_extract, source_file, source_row, value as text from lake('lab_results')
where (value is not null and try_cast(ltrim(value, '<>= ') as double) is null) or (collected_at is not null and try_cast(collected_at as timestamp) is null);

create table crs_vitals as
select v.patient_key, v.sign, max(v.value) as highest, min(v.value) as lowest
from staging.vital_signs v join time_zero z using (patient_key)
where v.measured_at between z.infused_at and z.infused_at + interval 30 days
group by v.patient_key, v.sign;

-- ---- 4. marts --------------------------------------------------------------------------------------------------------

create table marts.response_assessments as
select m.patient_key, m.sampled_on as assessed_on, m.sampled_on - z.day0 as study_day, m.blast_percent as marrow_blast_percent,
    b.value as circulating_blasts, e.present as extramedullary_disease, d.result as mrd_status,
    m.blast_percent < 5 and coalesce(b.value, 0) = 0 and not coalesce(e.present, false) as complete_remission,
    [struct_pack(extract := m.source_extract, file := m.source_file, "row" := m.source_row)] as evidence
from staging.marrow m
join time_zero z using (patient_key)
left join (select patient_key, collected_on, max(value) as value from circulating_blasts group by all) b on b.patient_key = m.patient_key and b.collected_on = m.sampled_on
left join (select patient_key, assessed_on, bool_or(finding = 'present') as present from staging.extramedullary group by all) e on e.patient_key = m.patient_key and e.assessed_on = m.sampled_on
left join (select patient_key, sampled_on, max(result) as result from staging.mrd group by all) d on d.patient_key = m.patient_key and d.sampled_on = m.sampled_on
where m.sampled_on > z.day0;

create table marts.adverse_events as
select patient_key, phase, term, max(grade) as worst_grade, any_value(grading_scale) as grading_scale, min(started_on - z.day0) as first_study_day,
    list(struct_pack(extract := source_extract, file := source_file, "row" := source_row)) as evidence
from staging.adverse_events join time_zero z using (patient_key) group by patient_key, phase, term;

create table marts.lab_toxicity as
select patient_key, loinc, lowest.value as lowest, highest.value as highest, lowest.day as lowest_day, highest.day as highest_day from worst_labs where after_infusion;

create table marts.events as
select patient_key, 'adverse_event' as event_type, started_on as event_date, started_on - z.day0 as study_day, cast(null as double) as value, grade, term as detail, source_extract, source_file, source_row
from staging.adverse_events join time_zero z using (patient_key)
union all
select patient_key, 'infusion', cast(i.infused_at as date), cast(i.infused_at as date) - z.day0, cells_per_kg, null, target, source_extract, source_file, source_row
from staging.infusions i join time_zero z using (patient_key)
union all
select patient_key, 'medication', cast(started_at as date), cast(started_at as date) - z.day0, dose, null, drug, source_extract, source_file, source_row
from staging.medications join time_zero z using (patient_key) where purpose <> 'lymphodepletion'
union all
select patient_key, 'relapse', relapse_on, relapse_on - z.day0, null, null, null, source_extract, source_file, source_row
from staging.follow_ups join time_zero z using (patient_key) where relapse_on is not null;

create table last_contact as
select patient_key, max(visited_on) as last_on, min(death_on) as death_on, min(relapse_on) as relapse_on from staging.follow_ups group by patient_key;

create table marts.outcomes as
with remission as (select patient_key, min(assessed_on) as cr_on from marts.response_assessments where complete_remission and study_day <= 90 group by patient_key),
     times as (select z.patient_key, z.day0, r.cr_on, l.last_on, l.death_on, l.relapse_on from time_zero z left join remission r using (patient_key) left join last_contact l using (patient_key))
select patient_key, 'OS' as endpoint, coalesce(death_on, last_on) - day0 as time_days, death_on is not null as event from times
union all select patient_key, 'EFS', least(relapse_on, death_on, last_on) - day0, coalesce(relapse_on, death_on) is not null from times
union all select patient_key, 'RFS', least(relapse_on, death_on, last_on) - cr_on, coalesce(relapse_on, death_on) is not null from times where cr_on is not null
union all select patient_key, 'RELAPSE', least(relapse_on, death_on, last_on) - day0, relapse_on is not null from times
union all select patient_key, 'FOLLOW_UP', last_on - day0, true from times
union all select patient_key, 'CR', cr_on - day0, cr_on is not null from times;

create table marts.patients as
select p.patient_key, p.sex, z.day0 as infusion_date, date_sub('year', p.birth_date, z.day0) as age_years, t.prior_chemotherapies, g.bcr_abl1, b.marrow_blast_percent,
    w.value as wbc, i.cart_target, i.cells_per_kg, c.worst_grade as crs_grade, o.event as complete_remission
from staging.patients p
left join time_zero z using (patient_key)
left join (select patient_key, count(*) as prior_chemotherapies from lake('prior_therapies') group by all) t using (patient_key)
left join (select patient_key, bool_or(gene = 'BCR-ABL1' and result = 'positive') as bcr_abl1 from lake('molecular_findings') group by all) g using (patient_key)
left join (select m.patient_key, arg_max(m.blast_percent, m.sampled_on) as marrow_blast_percent from staging.marrow m join time_zero z using (patient_key) where m.sampled_on <= z.day0 group by all) b using (patient_key)
left join (select patient_key, value from baseline_labs where loinc = '6690-2') w using (patient_key)
left join (select patient_key, any_value(target) as cart_target, sum(cells_per_kg) as cells_per_kg from staging.infusions where course = 1 group by all) i using (patient_key)
left join (select patient_key, worst_grade from marts.adverse_events where term = 'CRS') c using (patient_key)
left join (select patient_key, event from marts.outcomes where endpoint = 'CR') o using (patient_key);

-- ---- 5. exports, in a fixed order of rows ------------------------------------------------------------------------------

copy (select * from marts.patients order by all) to (getvariable('out') || '/patients.parquet') (compression zstd);
copy (select * from marts.events order by all) to (getvariable('out') || '/events.parquet') (compression zstd);
copy (select * from marts.outcomes order by all) to (getvariable('out') || '/outcomes.parquet') (compression zstd);
copy (select * from marts.adverse_events order by all) to (getvariable('out') || '/adverse_events.parquet') (compression zstd);
copy (select * from marts.lab_toxicity order by all) to (getvariable('out') || '/lab_toxicity.parquet') (compression zstd);
copy (select * from marts.response_assessments order by all) to (getvariable('out') || '/response_assessments.parquet') (compression zstd);
checkpoint;
