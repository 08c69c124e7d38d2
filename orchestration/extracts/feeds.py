"""The fifteen feeds of the extract contract as data: columns, keys, and what happens to every field on its way in.

The verbs are the allow-list of the de-identification: a column that isn't listed here never enters the lake.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType


class Kind(StrEnum):
    """How a column's text is meant to be read downstream; ingestion keeps it as it stands but for keys."""

    ID = "id"
    TEXT = "text"
    CODE = "code"
    DATE = "date"
    DATETIME = "datetime"
    NUMBER = "number"
    INTEGER = "integer"
    BOOLEAN = "boolean"


class Verb(StrEnum):
    """What ingestion does to a field."""

    KEEP = "keep"
    DROP = "drop"
    PSEUDONYMISE = "pseudonymise"
    YEAR = "year"
    REMOVE = "remove"
    """A direct identifier: it has no column in the lake at all, not even an empty one."""


@dataclass(frozen=True)
class Column:
    """One column of a feed under its contract name."""

    name: str
    kind: Kind
    verb: Verb = Verb.KEEP
    key: bool = False
    hash_kind: str = ""

    @property
    def lake_name(self) -> str:
        """The column's name in the lake."""
        return "patient_key" if self.name == "patient_id" else self.name


@dataclass(frozen=True)
class Feed:
    """One feed: its name, its columns in contract order and whether an extract is useless without it."""

    name: str
    columns: tuple[Column, ...]
    required: bool = False

    @property
    def key_columns(self) -> tuple[Column, ...]:
        """The columns that identify a row, in contract order."""
        return tuple(column for column in self.columns if column.key)

    @property
    def lake_columns(self) -> tuple[Column, ...]:
        """The columns that exist in the lake, direct identifiers left out."""
        return tuple(column for column in self.columns if column.verb is not Verb.REMOVE)

    def column(self, name: str) -> Column:
        """The column of that contract name; KeyError when the feed has none."""
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(name)


_HASH_KINDS = {
    "patient_id": "patient",
    "infusion_id": "infusion",
    "event_id": "event",
    "parent_event_id": "event",
    "encounter_id": "encounter",
}


def _column(spec: str) -> Column:
    name, kind, *rest = spec.split()
    verb = Verb(rest[0]) if rest else Verb.KEEP
    bare = name.rstrip("*")
    hash_kind = _HASH_KINDS.get(bare, "")
    return Column(bare, Kind(kind), Verb.PSEUDONYMISE if hash_kind else verb, name.endswith("*"), hash_kind)


def _feed(name: str, *columns: str, required: bool = False) -> Feed:
    return Feed(name, tuple(_column(spec) for spec in columns), required)


_ALL = (
    _feed(
        "patients",
        "patient_id* id",
        "sex code",
        "birth_date date",
        "name text remove",
        "national_id id remove",
        "phone id remove",
        "address text remove",
        required=True,
    ),
    _feed(
        "diagnoses",
        "patient_id* id",
        "diagnosed_on* date",
        "code_system code",
        "code* code",
        "description text drop",
        "immunophenotype code",
        "method code",
    ),
    _feed(
        "prior_therapies",
        "patient_id* id",
        "line* integer",
        "phase code",
        "regimen text",
        "started_on date",
        "ended_on date",
        "outcome code",
    ),
    _feed(
        "lab_results",
        "patient_id* id",
        "collected_at* datetime",
        "specimen code",
        "loinc* code",
        "test_name text",
        "value number",
        "unit code",
    ),
    _feed(
        "vital_signs",
        "patient_id* id",
        "measured_at* datetime",
        "sign* code",
        "value number",
        "unit code",
    ),
    _feed("marrow_assessments", "patient_id* id", "sampled_on* date", "blast_percent number", "method code"),
    _feed(
        "mrd_results",
        "patient_id* id",
        "sampled_on* date",
        "method* code",
        "target code",
        "value_percent number",
        "result code",
    ),
    _feed(
        "extramedullary_assessments",
        "patient_id* id",
        "assessed_on* date",
        "site* code",
        "method code",
        "finding code",
    ),
    _feed(
        "molecular_findings",
        "patient_id* id",
        "sampled_on date",
        "kind* code",
        "gene* code",
        "result code",
    ),
    _feed(
        "medications",
        "patient_id* id",
        "drug* text",
        "started_at* datetime",
        "ended_at datetime",
        "dose number",
        "dose_unit code",
        "purpose code",
    ),
    _feed(
        "cart_infusions",
        "patient_id* id",
        "infusion_id* id",
        "infused_at datetime",
        "course integer",
        "fraction integer",
        "target code",
        "cells_per_kg number",
        required=True,
    ),
    _feed(
        "adverse_events",
        "patient_id* id",
        "event_id* id",
        "parent_event_id id",
        "term text",
        "grade integer",
        "grading_scale code",
        "started_on date",
        "ended_on date",
        "phase code",
    ),
    _feed(
        "encounters",
        "patient_id* id",
        "encounter_id* id",
        "care_unit code",
        "admitted_at datetime",
        "discharged_at datetime",
    ),
    _feed("procedures", "patient_id* id", "procedure* code", "performed_on* date", "detail text"),
    _feed(
        "follow_ups",
        "patient_id* id",
        "visited_on* date",
        "vital_status code",
        "death_on date",
        "cause_of_death text",
        "disease_status code",
        "relapse_on date",
        "relapse_site text",
    ),
)

FEEDS: Mapping[str, Feed] = MappingProxyType({feed.name: feed for feed in _ALL})
"""The fifteen feeds by name, in contract order."""

DELETED = Column("deleted", Kind.BOOLEAN)
"""Optional in every delta file: true removes the row of that key."""
