"""The compiled project in memory: model by model, so that one changed model rebuilds only what depends on it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import duckdb

from tests.cohort import Cohort, patient_key, run_dbt, unpublished
from tests.dbt_project.mutation.mutants import Mutant, moved
from tests.dbt_project.patients.case import Case, Expectation


@dataclass(frozen=True)
class Model:
    """A compiled model or a seed: its full name, its SQL (empty for a seed) and what it reads."""

    name: str
    sql: str
    reads: frozenset[str]
    folder: str
    database: str


class CompiledProject:
    """All models of one study on one cohort, as tables of an in-memory DuckDB, with what its patients must show."""

    def __init__(self, folder: Path, cohort: Cohort, cases: Sequence[Case]) -> None:
        cohort.write_lake(folder / "lake")
        database = folder / "warehouse.duckdb"
        command = ["build", "--resource-type", "model", "--resource-type", "seed"]
        results = run_dbt(command, cohort.study, lake=folder / "lake", database=database)
        self.database = database
        self.models = _models(results)
        self.order = list(self.models)
        self.cases = cases
        self.expected = self._expectations_by_table()
        self.connection = self._in_memory()
        self.killed_by: dict[str, str] = {}
        self._content: dict[str, tuple[Any, ...]] = {}

    def copy(self) -> Self:
        """Return the same project with tables of its own, for another thread."""
        twin = copy(self)
        twin.connection = self._in_memory()
        twin.killed_by = {}
        return twin

    def _in_memory(self) -> duckdb.DuckDBPyConnection:
        """The built tables in memory; a join turned round runs into the memory limit rather than being endured."""
        connection = duckdb.connect(config={"threads": 1, "memory_limit": "700MB", "temp_directory": ""})
        connection.execute(f"attach '{self.database}' as warehouse (read_only)")
        connection.execute(f"attach '{unpublished(self.database)}' as unpublished (read_only)")
        for schema in sorted({name.split(".")[0] for name in self.order}):
            connection.execute(f"create schema if not exists {schema}")
        for name in self.order:
            database = self.models[name].database
            connection.execute(f"create table {name} as select * from {database}.{name}")
        connection.execute("detach warehouse")
        connection.execute("detach unpublished")
        return connection

    def survives(self, name: str, statement: str) -> bool:
        """Return whether every patient still shows what is expected once ``statement`` stands in for the model.

        SQL that DuckDB refuses is killed. Everything is rolled back. What leads to the table that killed the last
        mutant of this model is rebuilt first: most often it kills the next one too.
        """
        self.connection.execute("begin")
        try:
            return self._survives(name, statement)
        except duckdb.Error:
            return False
        finally:
            self.connection.execute("rollback")

    def _survives(self, name: str, statement: str) -> bool:
        changed: set[str] = set()
        for model in self._order_for(name):
            if model == name:
                sql = statement
            elif self.models[model].reads & changed:
                sql = self.models[model].sql
            else:
                continue
            if self._rebuild(model, sql):
                changed.add(model)
                if not self.holds(model):
                    self.killed_by[name] = model
                    return False
        return True

    def _order_for(self, name: str) -> list[str]:
        """Every model after what it reads; those that the last killer is made from come first."""
        first: set[str] = set()
        waiting = [self.killed_by[name]] if name in self.killed_by else []
        while waiting:
            model = waiting.pop()
            if model not in first:
                first.add(model)
                waiting.extend(self.models[model].reads)
        return sorted(self.order, key=lambda model: model not in first)

    def _rebuild(self, name: str, sql: str) -> bool:
        """Put the model's new rows in place; return whether they differ from the old ones."""
        self.connection.execute(f"create or replace temp table renewed as {sql}")
        if name not in self._content:
            self._content[name] = self._content_of(name)
        if self._content_of("renewed") == self._content[name]:
            return False
        self.connection.execute(f"drop table {name}")
        self.connection.execute(f"create table {name} as select * from renewed")
        return True

    def _content_of(self, table: str) -> tuple[Any, ...]:
        """What tells two tables apart, in whatever order their rows lie: a tenth of the time of comparing rows."""
        said = self.connection.execute(f"select count(*), sum(hash(t)::hugeint) from {table} as t").fetchone()
        assert said is not None
        return said

    def seed_mutants(self, seed: str, columns: Sequence[str]) -> Iterator[Mutant]:
        """Yield every mutant of a seed's cells: a number moved, a yes turned to no."""
        for column in columns:
            rows = self.connection.execute(
                f"select rowid, {column} from {seed} where {column} is not null order by rowid"
            )
            for number, value in rows.fetchall():
                for became in ("false" if value else "true",) if isinstance(value, bool) else moved(str(value)):
                    changed = f"case when rowid = {number} then {became} else {column} end as {column}"
                    sql = f"select * replace ({changed}) from {seed}"
                    yield Mutant(seed, number + 2, f"{column} {value}", str(became), sql)

    def holds(self, table: str) -> bool:
        """Return whether a table shows what is expected of every patient; the table is read once."""
        expectations = self.expected.get(table, [])
        if not expectations:
            return True
        columns = sorted({column for _, one in expectations for column in (*one.where, *(one.holds or ()))})
        listed = ", ".join(f'"{column}"' for column in ("patient_key", *columns))
        by_patient: dict[str, list[dict[str, Any]]] = {}
        for patient, *values in self.connection.execute(f"select {listed} from {table}").fetchall():
            by_patient.setdefault(patient, []).append(dict(zip(columns, values, strict=True)))
        return all(_holds(one, by_patient.get(patient_key(name), [])) for name, one in expectations)

    def _expectations_by_table(self) -> dict[str, list[tuple[str, Expectation]]]:
        by_table: dict[str, list[tuple[str, Expectation]]] = {}
        for one in self.cases:
            for expected in one.expected:
                by_table.setdefault(expected.table, []).append((one.name, expected))
        return by_table


def _holds(expected: Expectation, rows: Sequence[Mapping[str, Any]]) -> bool:
    found = [row for row in rows if all(row[column] == value for column, value in expected.where.items())]
    if expected.holds is None:
        return not found
    return len(found) == 1 and all(found[0][column] == value for column, value in expected.holds.items())


def _models(results: Any) -> Mapping[str, Model]:
    """Every model and seed of a dbt run, in an order in which each stands after what it reads."""
    nodes = {result.node.unique_id: result.node for result in results.results}
    names = {unique_id: f"{node.schema}.{node.alias}" for unique_id, node in nodes.items()}
    models: dict[str, Model] = {}

    def place(unique_id: str) -> None:
        node = nodes[unique_id]
        if names[unique_id] in models:
            return
        parents = [parent for parent in _parents(node) if parent in nodes]
        for parent in parents:
            place(parent)
        sql = (getattr(node, "compiled_code", "") or "").replace('"warehouse".', "").replace('"unpublished".', "")
        reads = frozenset(names[parent] for parent in parents)
        models[names[unique_id]] = Model(names[unique_id], sql, reads, "/".join(node.fqn[1:-1]), str(node.database))

    for unique_id in nodes:
        place(unique_id)
    return models


def _parents(node: Any) -> Iterable[str]:
    depends_on = getattr(node, "depends_on", None)
    return getattr(depends_on, "nodes", ()) or ()
