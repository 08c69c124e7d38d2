"""dbt in a process that is started before there is work for it: imports first, then runs once.

Started by `DbtProcess`. Standard input carries the request as one line of JSON; its end means that the refresh is gone,
and this process goes with it, whatever it is doing. Standard output and error are dbt's own.
"""

from __future__ import annotations

import importlib
import json
import os
import queue
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestration.terminal import leave
from warehouse.side_process import fewer_collections

if TYPE_CHECKING:
    from dbt.contracts.graph.manifest import Manifest
    from dbt_common.events.base_types import BaseEvent, EventLevel, EventMsg

_IMPORTED_AHEAD = ("dbt.adapters.duckdb", "dbt.cli.main", "dbt.task.build")
RUN_RESULTS = "run_results.json"
ABANDONED = 3  # exit status: whoever started this process ended first
# It runs once and ends: what it would collect is a tenth of a gigabyte, and looking for it a tenth of its time.
_OBJECTS_BETWEEN_COLLECTIONS = 1_000_000
_FAILED, _BROKEN = 1, 2  # exit statuses of dbt's own command: a model or test failed; dbt itself could not work


def main() -> int:
    """Carry out the request to run; return dbt's exit status."""
    requests: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(requests,), daemon=True).start()
    for module in _IMPORTED_AHEAD:
        importlib.import_module(module)
    _make_no_message_of_debug_events()
    _test_beside_models()
    request = requests.get()
    os.environ.clear()
    os.environ.update(request["environment"])
    os.environ["DBT_LOG_LEVEL"] = "none"  # its own log makes the line of every event, and then drops most
    os.environ["DBT_WRITE_JSON"] = "false"  # manifest and graph, megabytes that nobody reads here
    os.chdir(request["folder"])
    parsed = read_parse(request["prebuilt"]) if request["prebuilt"] else None
    fewer_collections(_OBJECTS_BETWEEN_COLLECTIONS)
    return _run(request["arguments"], parsed)


def _listen(requests: queue.SimpleQueue[dict[str, Any]]) -> None:
    for line in sys.stdin:
        requests.put(json.loads(line))
    os._exit(ABANDONED)


def read_parse(path: str | Path) -> Manifest | None:
    """Read a parse of the project that dbt wrote before; one of another dbt is as good as none."""
    from dbt.contracts.graph.manifest import Manifest
    from dbt.parser.manifest import extended_mashumuro_decoder
    from dbt.version import __version__

    manifest = Manifest.from_msgpack(Path(path).read_bytes(), decoder=extended_mashumuro_decoder)
    return manifest if manifest.metadata.dbt_version == __version__ else None


def _run(arguments: list[str], manifest: Manifest | None) -> int:
    """Do what dbt's own command does; of the files that it leaves, write the results alone."""
    from dbt.artifacts.schemas.run import RunExecutionResult
    from dbt.cli.main import dbtRunner

    done = dbtRunner(manifest, callbacks=[_EventLines()]).invoke(arguments)
    if isinstance(done.result, RunExecutionResult):
        done.result.write(os.path.join(os.environ["DBT_TARGET_PATH"], RUN_RESULTS))
    if done.exception is not None:
        sys.stderr.write(f"{done.exception}\n")
        return _BROKEN
    return 0 if done.success else _FAILED


def _make_no_message_of_debug_events() -> None:
    """Take from dbt's event manager what is of level debug: 7,000 events a night are made into messages for nobody."""
    from dbt_common.events.base_types import EventLevel
    from dbt_common.events.event_manager import EventManager
    from dbt_common.events.event_manager_client import ctx_set_event_manager

    class WithoutDebug(EventManager):
        def fire_event(self, e: BaseEvent, level: EventLevel | None = None, *details: Any, **more: Any) -> None:
            if (level or e.level_tag()) != EventLevel.DEBUG:
                super().fire_event(e, level, *details, **more)

    ctx_set_event_manager(WithoutDebug())


def _test_beside_models() -> None:
    """Give the models of a run with one thread a thread of their own: what tests them runs while the next is made.

    One model at a time is a matter of memory, but it leaves a core idle between two models and at the end of each. A
    test needs little of both.
    """
    import dbt.task.build
    from dbt.graph.thread_pool import DbtThreadPool
    from dbt_common.context import get_invocation_context

    class TestsBesideModels(dbt.task.build.BuildTask):
        def execute_nodes(self) -> Any:
            self._one_result_at_a_time = threading.Lock()
            self._models = DbtThreadPool(1, self._pool_thread_initializer, [get_invocation_context()])  # type: ignore[no-untyped-call]
            with self._models:
                return super().execute_nodes()  # type: ignore[no-untyped-call]

        def handle_job_queue_node(self, node: Any, pool: DbtThreadPool, callback: Callable[[Any], None]) -> None:
            def report(result: Any) -> None:
                with self._one_result_at_a_time:
                    callback(result)

            of_its_own = self.config.threads == 1 and node.resource_type == "model"
            super().handle_job_queue_node(node, self._models if of_its_own else pool, report)  # type: ignore[no-untyped-call]

    dbt.task.build.BuildTask = TestsBesideModels  # type: ignore[misc]  # what `dbt build` asks for by this name


class _EventLines:
    """Writes events as dbt's own JSON log does, one line each."""

    def __init__(self) -> None:
        self._one_at_a_time = threading.Lock()

    def __call__(self, event: EventMsg) -> None:
        from dbt_common.events.functions import env_scrubber, msg_to_json

        line = env_scrubber(msg_to_json(event))
        with self._one_at_a_time:
            sys.stdout.write(line + "\n")


if __name__ == "__main__":
    leave(main())
