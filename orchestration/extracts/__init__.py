"""The ingestion room: deliveries, source profiles, readers, pseudonymisation and the lake."""

from orchestration.extracts.completeness import FeedHistory, feed_histories, history_records
from orchestration.extracts.delivery import (
    Delivery,
    ExtractFolder,
    SourceFile,
    check_delivery,
    discover_extracts,
    read_delivery,
)
from orchestration.extracts.errors import ExtractError, ExtractRefused, KeyRefused, ProfileError
from orchestration.extracts.feeds import DELETED, FEEDS, Column, Feed, Kind, Verb
from orchestration.extracts.ingestion import FeedIngestion, FileIngestion, files_left_alone, ingest_feed
from orchestration.extracts.lake import FeedPlan, Lake, LedgerRow, Plan
from orchestration.extracts.profiles import SourceProfile, load_profile
from orchestration.extracts.pseudonymise import Pseudonymiser, parse_key
from orchestration.extracts.quarantine import export_quarantine
from orchestration.extracts.rotation import require_key_of, rotate_key
from orchestration.extracts.shaping import READING

__all__ = [
    "DELETED",
    "FEEDS",
    "READING",
    "Column",
    "Delivery",
    "ExtractError",
    "ExtractFolder",
    "ExtractRefused",
    "Feed",
    "FeedHistory",
    "FeedIngestion",
    "FeedPlan",
    "FileIngestion",
    "KeyRefused",
    "Kind",
    "Lake",
    "LedgerRow",
    "Plan",
    "ProfileError",
    "Pseudonymiser",
    "SourceFile",
    "SourceProfile",
    "Verb",
    "check_delivery",
    "discover_extracts",
    "export_quarantine",
    "feed_histories",
    "files_left_alone",
    "history_records",
    "ingest_feed",
    "load_profile",
    "parse_key",
    "read_delivery",
    "require_key_of",
    "rotate_key",
]
