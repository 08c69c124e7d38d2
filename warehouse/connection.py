"""DuckDB connections, opened in one way only.

DuckDB refuses a second connection of a process to a file that is open with another configuration, and dbt-duckdb keeps
the build file open in its process with an empty configuration. Hence no `config=` here: every setting is a `SET`.
"""

from __future__ import annotations

from pathlib import Path

import duckdb

from warehouse.errors import WarehouseError

BUILD_THREADS = 2
# The oldest clients that can read the warehouse: R, JDBC and command-line clients come later than Python's, and without
# it a file written by DuckDB 2 is refused by all of them. Costs nothing: the file has the same size.
READABLE_SINCE = "v1.2.0"


def remove_database(path: Path) -> None:
    """Remove a DuckDB file and the log of changes that a killed process left beside it; neither need exist.

    The log would otherwise be applied to whatever file takes that name next.
    """
    path.unlink(missing_ok=True)
    path.with_name(f"{path.name}.wal").unlink(missing_ok=True)


def create_build(path: Path) -> None:
    """Make an empty build database that older DuckDB clients can read too, in place of what is there.

    A file keeps the format that it was made with, whoever fills it later.
    """
    remove_database(path)
    with duckdb.connect() as connection:
        name = str(path).replace("'", "''")
        connection.execute(f"attach '{name}' as build (storage_version '{READABLE_SINCE}')")
        connection.execute("detach build")


def connect_build(
    path: Path, memory_limit: str | None = None, threads: int = BUILD_THREADS
) -> duckdb.DuckDBPyConnection:
    """Open the build database for writing.

    Args:
        path: the build file; its folder must exist. Spilled data goes to `tmp` beside it, never to the system's
            temporary folder, because it holds patients' data.
        memory_limit: DuckDB size such as `6GB`; None leaves DuckDB's own limit (80% of the memory).
        threads: worker threads.

    Raises:
        WarehouseError: another process has the file open, or it is no DuckDB file.
    """
    try:
        connection = duckdb.connect(str(path))
    except duckdb.Error as error:
        raise WarehouseError(f"The build database {path} can't be opened for writing: {_first_line(error)}") from error
    connection.execute(f"set threads = {int(threads)}")
    connection.execute("set temp_directory = ?", [str(path.parent / "tmp")])
    if memory_limit is not None:
        connection.execute("set memory_limit = ?", [memory_limit])
    return connection


def connect_read_only(path: Path, memory_limit: str | None = None) -> duckdb.DuckDBPyConnection:
    """Open a published warehouse for reading; any number of processes may, and none blocks a refresh.

    The link is followed first: DuckDB shares one open database per path within a process, and a reader that opens the
    warehouse anew must get the new night even while an older connection of the same process is still open.

    Args:
        path: the published warehouse or one version of it.
        memory_limit: DuckDB size such as `6GB`; None leaves DuckDB's own limit (80% of the memory).

    Raises:
        WarehouseError: nothing is published there, or the file is damaged.
    """
    if not path.exists():
        raise WarehouseError(
            f"There is no published warehouse at {path} yet. Run 'make refresh' (or 'make demo') first."
        )
    try:
        connection = _connect_resolved(path)
        if memory_limit is not None:
            connection.execute("set memory_limit = ?", [memory_limit])
        return connection
    except duckdb.Error as error:
        raise WarehouseError(f"The warehouse {path} can't be read: {_first_line(error)}") from error


def attach_read_only(connection: duckdb.DuckDBPyConnection, path: Path, name: str) -> None:
    """Attach a further version to a connection, for reading.

    Raises:
        WarehouseError: the file is gone or damaged.
    """
    try:
        connection.execute(f"""attach '{str(path).replace("'", "''")}' as {name} (read_only)""")
    except duckdb.Error as error:
        raise WarehouseError(f"The warehouse {path} can't be read: {_first_line(error)}") from error


def close_to_files(connection: duckdb.DuckDBPyConnection) -> None:
    """Let a connection read what it has open, and open nothing more: no COPY, ATTACH, INSTALL, no reading of files.

    `read_only` alone holds for the database, not for the files that a query names. Nor is it enough to switch external
    access off: DuckDB goes on allowing the paths of the databases that are open, for writing too. So its file system is
    switched off with it. What is too large for the memory can't be spilled to disk then, and is refused.
    """
    connection.execute("set temp_directory = ''")
    connection.execute("set enable_external_access = false")
    connection.execute("set disabled_filesystems = 'LocalFileSystem'")
    connection.execute("set lock_configuration = true")


def _connect_resolved(path: Path) -> duckdb.DuckDBPyConnection:
    """Open what the link leads to; once more if that version was pruned between following the link and opening."""
    resolved = path.resolve()
    try:
        return duckdb.connect(str(resolved), read_only=True)
    except duckdb.IOException:
        if path.resolve() == resolved:
            raise
        return duckdb.connect(str(path.resolve()), read_only=True)


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
