"""Raw assets: one per feed, partitioned by extract; each turns an extract's files into lake Parquet."""

from collections.abc import Collection, Iterator, Sequence
from functools import partial

import dagster as dg

from orchestration.extracts import FEEDS, ExtractError, Feed, FeedIngestion, files_left_alone, ingest_feed
from orchestration.operations import retry_passing
from orchestration.ownership import DATA_ENGINEERING
from orchestration.refresh_context import RefreshContext
from orchestration.user_errors import as_failure, near_identifiers

EXTRACTS = dg.DynamicPartitionsDefinition(name="extracts")
LAKE_PLAN = dg.AssetKey(["raw", "lake_plan"])


_FIRST_FEED = next(iter(FEEDS))
_NAMED_FILES = 10
_LISTED_FILES = 50
"""Dagster keeps the metadata of a run once per partition: a list of a thousand files would be kept a thousand times."""


def raw_key(feed_name: str) -> dg.AssetKey:
    """Return the asset key of a feed's raw asset."""
    return dg.AssetKey(["raw", feed_name])


def raw_assets() -> list[dg.AssetsDefinition]:
    """Return the fifteen raw assets and the lake plan that staging reads."""
    return [*(_raw_asset(feed) for feed in FEEDS.values()), lake_plan]


def _raw_asset(feed: Feed) -> dg.AssetsDefinition:
    keys = ", ".join(column.lake_name for column in feed.key_columns)
    columns = [dg.TableColumn(column.lake_name, "varchar") for column in feed.lake_columns]
    columns += [dg.TableColumn(name, kind) for name, kind in _ADDED]

    @dg.asset(
        key=raw_key(feed.name),
        partitions_def=EXTRACTS,
        backfill_policy=dg.BackfillPolicy.single_run(),
        group_name="raw",
        kinds={"parquet"},
        owners=[DATA_ENGINEERING],
        description=(
            f"Feed `{feed.name}` as the hospital delivered it, pseudonymised, every value as text, with extract, file "
            f"and row number. Grain: one row per accepted source row; key {keys}."
        ),
        metadata={"dagster/column_schema": dg.TableSchema(columns)},
    )
    def raw_feed(
        context: dg.AssetExecutionContext, refresh: dg.ResourceParam[RefreshContext]
    ) -> dg.MaterializeResult[None]:
        with near_identifiers():
            names = extracts_to_read(context.partition_keys, refresh.extracts)
            ingested = [retry_passing(partial(_ingest, refresh, name, feed.name)) for name in names]
            left_alone = [*_left_alone(refresh, names)] if feed.name == _FIRST_FEED else []
        for warning in (*_warnings(ingested), *left_alone):
            context.log.warning(warning)
        return dg.MaterializeResult(metadata=ingestion_metadata(ingested))

    return raw_feed


_ADDED = (("deleted", "varchar"), ("source_extract", "varchar"), ("source_file", "varchar"), ("source_row", "bigint"))


def extracts_to_read(partitions: Sequence[str], landed: Collection[str]) -> list[str]:
    """Return those of a run's partitions that are still in the landing folder; of the others the lake keeps its rows.

    A run's partitions are a range, and between its first and its last may lie some that were archived since.

    Raises:
        ExtractError: none of them is there.
    """
    there = [name for name in partitions if name in landed]
    if not there:
        which = partitions[0] if len(partitions) == 1 else f"{partitions[0]} to {partitions[-1]}"
        raise ExtractError(
            f"extract {which} is no longer in the extracts folder, so it can't be read again; put it back, or leave "
            "it: the lake keeps what it read of it"
        )
    return there


def _ingest(refresh: RefreshContext, extract: str, feed: str) -> FeedIngestion:
    delivery = refresh.delivery(extract)
    return ingest_feed(
        refresh.extracts[extract],
        feed,
        profile=refresh.profile,
        pseudonymiser=refresh.pseudonymiser,
        lake=refresh.lake,
        delivery=delivery,
    )


def _warnings(ingested: list[FeedIngestion]) -> Iterator[str]:
    """What a person should know of newly read files; the ledger keeps every note."""
    for feed in ingested:
        for file in (file for file in feed.files if not file.already_in_lake):
            where = f"{feed.extract}/{file.file}"
            if file.rejected:
                yield f"{where}: {file.rejected} of {file.rows} rows rejected, see quality.rejected_rows"
            for note in file.notes:
                if note["note"] == "unknown column kept out":
                    hint = f"; did you mean `{note['nearest']}`?" if "nearest" in note else ""
                    yield f"{where}: unknown column `{note['column']}` kept out{hint}"
            if file.masked_cells:
                yield f"{where}: an identifier was found in {file.masked_cells} cells of text and masked"


def _left_alone(refresh: RefreshContext, names: Sequence[str]) -> Iterator[str]:
    """What new and changed extracts hold that nothing reads: most often a misspelt feed."""
    from orchestration.nightly import changed_extracts  # which imports this module

    for name in sorted(changed_extracts(refresh.settings, [refresh.extracts[each] for each in names])):
        found = files_left_alone(refresh.delivery(name), refresh.profile, refresh.pseudonymiser, refresh.lake)
        # Those that resemble a feed first: they were most likely meant to be one.
        for file, feed in sorted(found, key=lambda item: not item[1])[:_NAMED_FILES]:
            hint = f"; did you mean feed `{feed}`?" if feed else ""
            yield f"{name}/{file}: left alone, for no feed takes a file of this name and format{hint}"
        if len(found) > _NAMED_FILES:
            yield f"{name}: {len(found) - _NAMED_FILES} more files left alone"


def ingestion_metadata(ingested: list[FeedIngestion]) -> dict[str, dg.MetadataValue]:
    """What Dagster shows of what was read: rows, rejected rows and, while they are few, the files."""
    files = [(feed.extract, file) for feed in ingested for file in feed.files]
    rows = [
        dg.TableRecord(
            {
                "extract": extract,
                "file": file.file,
                "rows": file.rows,
                "accepted": file.accepted,
                "rejected": file.rejected,
                "already in lake": file.already_in_lake,
            }
        )
        for extract, file in files
    ]
    metadata: dict[str, dg.MetadataValue] = {
        "dagster/row_count": dg.MetadataValue.int(sum(file.accepted for _, file in files)),
        "rejected rows": dg.MetadataValue.int(sum(file.rejected for _, file in files)),
    }
    if len(rows) > _LISTED_FILES:
        metadata["files"] = dg.MetadataValue.int(len(rows))
        metadata["note"] = dg.MetadataValue.text("too many files to list: quality.extracts holds every one")
    elif rows:
        metadata["files"] = dg.MetadataValue.table(rows)
    else:
        metadata["note"] = dg.MetadataValue.text("not delivered: what needs this feed says that it can't be computed")
    return metadata


@dg.asset(
    key=LAKE_PLAN,
    deps=[raw_key(name) for name in FEEDS],
    group_name="raw",
    kinds={"json"},
    owners=[DATA_ENGINEERING],
    description=(
        "Which lake files tonight's staging reads: per feed the newest snapshot and the deltas after it. "
        "Grain: one entry per feed. Depends on the set of extracts, never on their order of arrival."
    ),
)
def lake_plan(refresh: dg.ResourceParam[RefreshContext]) -> dg.MaterializeResult[None]:
    """Write lake/plan.json; ingestion is done, and with it the use of identifiers."""
    refresh.pseudonymiser.forget()
    with as_failure():
        refresh.require_sound_lake()
        plan = refresh.lake.write_plan(refresh.pseudonymiser.key_id)
    files = {name: dg.MetadataValue.int(len(feed.files)) for name, feed in plan.feeds.items()}
    return dg.MaterializeResult(metadata={"newest extract": plan.newest_extract or "none", **files})
