"""Every outcome leads back to rows that exist in the lake, by feed, extract, file and row, of that very patient."""

from __future__ import annotations

import json

import pytest

from tests.cohort import BuiltCohort

WITH_EVIDENCE = (
    "marts.outcomes",
    "marts.response_assessments",
    "marts.response_by_rule",
    "marts.adverse_events",
    "marts.lab_toxicity",
    "marts.icaht",
    "marts.cell_persistence",
)
# A patient without a response has no row to show for it.
MAY_BE_EMPTY = ("marts.response_by_rule",)


def lake_files(reference: BuiltCohort) -> str:
    """Return SQL for every row of the lake: feed, extract, file, row and patient."""
    plan = json.loads((reference.lake / "plan.json").read_text(encoding="utf-8"))
    parts = [
        f"select '{feed}' as feed, cast(source_extract as date) as extract, source_file as file, "
        f"source_row as \"row\", patient_key from read_parquet('{reference.lake / file}')"
        for feed, planned in plan["feeds"].items()
        for file in planned["files"]
    ]
    return " union all ".join(parts)


@pytest.mark.parametrize("table", WITH_EVIDENCE)
def test_evidence_leads_to_rows_of_that_patient(reference: BuiltCohort, table: str) -> None:
    counted = reference.query(
        f"""
        with cited as (
            select patient_key, unnest(evidence, recursive := true) from {table}
        ),
        lake as ({lake_files(reference)})
        select count(*) as cited, count(lake.patient_key) as found
        from cited
        left join lake
            on cited.feed = lake.feed and cited.extract = lake.extract and cited.file = lake.file
            and cited."row" = lake."row" and cited.patient_key = lake.patient_key
        """
    )
    assert counted[0]["cited"] > 0
    assert counted[0]["found"] == counted[0]["cited"]


@pytest.mark.parametrize("table", [table for table in WITH_EVIDENCE if table not in MAY_BE_EMPTY])
def test_every_row_has_evidence(reference: BuiltCohort, table: str) -> None:
    assert reference.query(f"select * from {table} where evidence is null or len(evidence) = 0") == []


def test_every_event_leads_to_its_row(reference: BuiltCohort) -> None:
    counted = reference.query(
        f"""
        with lake as ({lake_files(reference)})
        select count(*) as events, count(lake.patient_key) as found
        from marts.events
        left join lake
            on events.source_feed = lake.feed and events.source_extract = lake.extract
            and events.source_file = lake.file and events.source_row = lake."row"
            and events.patient_key = lake.patient_key
        """
    )
    assert counted[0]["events"] > 500
    assert counted[0]["found"] == counted[0]["events"]


def test_a_time_from_remission_shows_infusion_or_remission_and_the_event(reference: BuiltCohort) -> None:
    feeds = set(reference.evidence_feeds("SYN-001", "EFS"))
    assert {"cart_infusions", "marrow_assessments"} <= feeds
    assert "follow_ups" in reference.evidence_feeds("SYN-001", "OS")
    assert "cart_infusions" in reference.evidence_feeds("SYN-002", "OS")
