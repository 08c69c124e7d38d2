"""Ground floor: the warehouse home, its DuckDB connections, publishing, kept versions and exports.

Imports nothing of the house. What does not belong here: clinical rules, checks, Dagster objects, environment variables.
"""

from warehouse.connection import connect_build, connect_read_only, create_build, remove_database
from warehouse.errors import WarehouseError
from warehouse.exports import EXPORTED_SCHEMAS, Exporter, export_tables
from warehouse.home import PUBLISHED_FOLDERS, WarehouseHome, restrict_new_files, writing
from warehouse.publishing import publish
from warehouse.tables import list_tables, quote, table_exists, write_table
from warehouse.versions import Version, current_version, list_versions, recover, rollback

__all__ = [
    "EXPORTED_SCHEMAS",
    "PUBLISHED_FOLDERS",
    "Exporter",
    "Version",
    "WarehouseError",
    "WarehouseHome",
    "connect_build",
    "connect_read_only",
    "create_build",
    "current_version",
    "export_tables",
    "list_tables",
    "list_versions",
    "publish",
    "quote",
    "recover",
    "remove_database",
    "restrict_new_files",
    "rollback",
    "table_exists",
    "write_table",
    "writing",
]
