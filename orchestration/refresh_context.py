"""What every step of one refresh shares: settings, study, profile, lake. Loaded when first asked for, then kept."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from analysis_assets.drawing import DrawingProcess
from expectations.judge import Judge
from orchestration.code_version import code_version
from orchestration.column_lineage import raw_columns, read_lineage
from orchestration.dbt_process import DbtProcess
from orchestration.extracts import (
    Delivery,
    ExtractFolder,
    Lake,
    LedgerRow,
    Pseudonymiser,
    SourceProfile,
    check_delivery,
    discover_extracts,
    load_profile,
    parse_key,
    require_key_of,
)
from orchestration.manifest import LINEAGE
from orchestration.operations import check_lake
from orchestration.settings import Settings
from study import Study, load_study
from study.loading import study_sha256
from warehouse import WarehouseHome
from warehouse.side_process import SideProcess

if TYPE_CHECKING:
    import duckdb


@dataclass(frozen=True)
class RefreshContext:
    """Everything that a step needs from outside; a wrong file or key raises its own clear error at first use."""

    settings: Settings

    @property
    def home(self) -> WarehouseHome:
        """The warehouse home."""
        return self.settings.home

    @cached_property
    def study(self) -> Study:
        """The validated study file."""
        return load_study(self.settings.study)

    @cached_property
    def study_sha256(self) -> str:
        """SHA-256 of the study file."""
        return study_sha256(self.settings.study)

    @cached_property
    def profile(self) -> SourceProfile:
        """The validated source profile."""
        return load_profile(self.settings.source_profile)

    @property
    def memory_limit(self) -> str:
        """What DuckDB may take, from the settings."""
        return self.settings.memory_limit

    @property
    def code_version(self) -> str:
        """Which code makes this night."""
        return code_version()

    @cached_property
    def pseudonymiser(self) -> Pseudonymiser:
        """The keyed hash made from the secret."""
        return Pseudonymiser(parse_key(self.settings.pseudonym_key))

    def require_own_key(self) -> None:
        """Refuse another pseudonym key than the home's, under which tonight's patients would all be new ones.

        Raises:
            KeyRefused: the key is missing, unfit or another one; says what to do.
        """
        require_key_of(self.lake, self.pseudonymiser)

    @cached_property
    def lake(self) -> Lake:
        """The Parquet lake of the home."""
        return Lake(self.home.lake)

    @property
    def ledger(self) -> tuple[LedgerRow, ...]:
        """Ledger rows of the files that tonight's plan reads."""
        in_plan = {file for feed in self.lake.plan(self.pseudonymiser.key_id).feeds.values() for file in feed.files}
        return tuple(row for row in self.lake.ledger() if row.lake_file in in_plan)

    def require_sound_lake(self) -> None:
        """Refuse a lake in which a file of tonight's plan is missing or damaged; looked through once per refresh.

        Raises:
            OperationsError: names every damaged file and what to do.
        """
        _ = self._is_lake_sound

    @cached_property
    def _is_lake_sound(self) -> bool:
        check_lake(self.home.lake, self.ledger)
        return True

    @cached_property
    def extracts(self) -> dict[str, ExtractFolder]:
        """The extracts in the landing folder, by name, oldest first."""
        return {extract.name: extract for extract in discover_extracts(self.settings.extracts)}

    @cached_property
    def _raw_columns(self) -> Callable[[str, str], frozenset[str]]:
        lineage, known = read_lineage(LINEAGE), dict[tuple[str, str], frozenset[str]]()
        return lambda table, column: raw_columns(lineage, table, column, known)

    def describe(
        self, connection: duckdb.DuckDBPyConnection, table: str, origins: Mapping[str, Iterable[tuple[str, str]]]
    ) -> dict[str, Any]:
        """Return what Dagster's pages show of an analysis table: columns, what they are made of, first rows."""
        from orchestration.table_metadata import describe_analysis_table  # brings Dagster

        return describe_analysis_table(connection, table, origins, self._raw_columns)

    @cached_property
    def _side(self) -> SideProcess:
        return SideProcess("orchestration.side_worker")

    @cached_property
    def judge(self) -> Judge:
        """Great Expectations in the second process, which starts when it is first asked for."""
        return Judge(self._side)

    @cached_property
    def drawing(self) -> DrawingProcess:
        """The drawing of figures in the second process; it imports what that needs when it is first asked for."""
        return DrawingProcess(self._side)

    def begin(self) -> None:
        """Start the dbt that waits, and read the study, so that what is wrong with it is told at once.

        dbt imports for seconds, on the other core.
        """
        _ = self.dbt, self.study

    @property
    def dbt(self) -> DbtProcess:
        """A dbt that waits for its one run; started when first asked for, best at the very start."""
        if not self._dbt or self._dbt[-1].taken:
            self._dbt.append(DbtProcess())
        return self._dbt[-1]

    @cached_property
    def _dbt(self) -> list[DbtProcess]:
        return []

    def close(self) -> None:
        """End what the refresh left running."""
        for process in self._dbt:
            process.close()
        if "drawing" in self.__dict__:
            self.drawing.close()
        if "_side" in self.__dict__:
            self._side.close()

    @cached_property
    def _deliveries(self) -> dict[str, Delivery]:
        return {}

    @property
    def read_extracts(self) -> list[ExtractFolder]:
        """The extracts that this refresh ingested."""
        return [self.extracts[name] for name in self._deliveries]

    def delivery(self, extract_name: str) -> Delivery:
        """Return the checked delivery of one extract; the manifest's hashes are verified once per refresh."""
        if extract_name not in self._deliveries:
            self._deliveries[extract_name] = check_delivery(self.extracts[extract_name], self.profile, self.lake)
        return self._deliveries[extract_name]
