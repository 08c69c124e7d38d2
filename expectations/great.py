"""The only place that touches Great Expectations: loaded when first used, kept in memory, telling nobody.

Great Expectations 1.24 fails on DuckDB through SQLAlchemy, so it is given data frames; an exception inside it comes
back as `success = False`, so exceptions are told apart here.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from expectations.deferred_import import defer_import

if TYPE_CHECKING:
    import pandas as pd

    from expectations.declared import CheckSpec

_SITE = "night"
# Counts only: a list of unexpected values would carry patients' values into the pages.
_RESULT_FORMAT = {"result_format": "COMPLETE", "partial_unexpected_count": 0, "include_unexpected_rows": False}
_VALUE_LISTS = (
    "unexpected_list",
    "unexpected_index_list",
    "unexpected_index_query",
    "partial_unexpected_list",
    "partial_unexpected_counts",
    "partial_unexpected_index_list",
)


@dataclass(frozen=True)
class Verdict:
    """What Great Expectations says of one check.

    Attributes:
        success: the expectation holds.
        unexpected: positions in the frame that are outside the bounds (row-wise expectations).
        missing: positions without a value are all there are, so nothing was judged.
        observed: the observed value (expectations on a statistic).
        exception: the message of an exception inside Great Expectations; None when it judged.
    """

    success: bool
    unexpected: tuple[int, ...]
    missing: bool
    observed: float | None
    exception: str | None


class ExpectationContext:
    """An in-memory Great Expectations context whose analytics are off."""

    def __init__(self) -> None:
        """Load Great Expectations (seconds, once per process)."""
        # For expectations on distributions and their charts, of which there are none here: 0.8 of 2.2 s.
        defer_import("altair", "scipy.stats")
        import great_expectations as gx
        from great_expectations.data_context.types.base import (
            DataContextConfig,
            InMemoryStoreBackendDefaults,
            ProgressBarsConfig,
        )

        self._gx = gx
        self._context = gx.get_context(
            mode="ephemeral",
            project_config=DataContextConfig(
                store_backend_defaults=InMemoryStoreBackendDefaults(),
                analytics_enabled=False,
                progress_bars=ProgressBarsConfig(globally=False),
            ),
        )
        self._source = self._context.data_sources.add_pandas("frames")

    def judge(self, name: str, frame: pd.DataFrame, checks: Mapping[str, CheckSpec]) -> tuple[list[Verdict], Any]:
        """Judge one frame as one batch.

        Args:
            name: name of the batch and of its suite.
            frame: the values.
            checks: by column of the frame that the check looks at.

        Returns:
            One verdict per check, in their order, and the validation result without values, for the pages.
        """
        suite = self._gx.ExpectationSuite(name=name)
        for column, spec in checks.items():
            suite.add_expectation(self._expectation(spec, column))
        asset = self._source.add_dataframe_asset(name)
        batch = asset.add_batch_definition_whole_dataframe("all").get_batch(batch_parameters={"dataframe": frame})
        result = batch.validate(suite, result_format=_RESULT_FORMAT)
        by_check = {_check_name(one): one for one in result.results}
        verdicts = [_verdict(by_check[spec.name]) for spec in checks.values()]
        for one in result.results:
            for values in _VALUE_LISTS:
                one.result.pop(values, None)
        return verdicts, result

    def _expectation(self, spec: CheckSpec, column: str) -> Any:
        words = "".join(part.capitalize() for part in spec.expectation.split("_"))
        kind = getattr(self._gx.expectations, words)
        return kind(
            column=column,
            min_value=spec.minimum,
            max_value=spec.maximum,
            severity="critical" if spec.severity == "error" else "warning",
            notes=f"{spec.name} ({spec.kahn}): {spec.description} What to do: {spec.action}",
            meta={"check": spec.name},
        )

    def write_pages(
        self, results: Sequence[tuple[str, Any]], folder: Path, run_name: str, run_time: dt.datetime
    ) -> None:
        """Write Data Docs as static pages.

        Args:
            results: (suite name, validation result) as returned by `judge`.
            folder: target folder, made when missing.
            run_name: shown on the pages.
            run_time: shown on the pages.
        """
        from great_expectations.core.run_identifier import RunIdentifier
        from great_expectations.data_context.types.resource_identifiers import (
            ExpectationSuiteIdentifier,
            ValidationResultIdentifier,
        )

        for name, result in results:
            identifier = ValidationResultIdentifier(
                expectation_suite_identifier=ExpectationSuiteIdentifier(name=name),
                run_id=RunIdentifier(run_name=run_name, run_time=run_time),
                batch_identifier=name,
            )
            self._context.validation_results_store.set(identifier, result)
        site: Any = {
            "class_name": "SiteBuilder",
            "show_how_to_buttons": False,
            "site_index_builder": {"class_name": "DefaultSiteIndexBuilder"},
            "store_backend": {"class_name": "TupleFilesystemStoreBackend", "base_directory": str(folder)},
        }
        self._context.add_data_docs_site(_SITE, site)
        self._context.build_data_docs(site_names=[_SITE])

    def result_from_json(self, content: Mapping[str, Any]) -> Any:
        """Read a validation result back from its JSON form."""
        from great_expectations.core.expectation_validation_result import expectationSuiteValidationResultSchema

        loaded = expectationSuiteValidationResultSchema.load(dict(content))
        return self._gx.core.ExpectationSuiteValidationResult(**loaded) if isinstance(loaded, dict) else loaded


def _check_name(one: Any) -> str:
    return str(one.expectation_config.meta["check"])


def _verdict(one: Any) -> Verdict:
    message = _exception(one.exception_info)
    content = one.result or {}
    elements, missing = content.get("element_count"), content.get("missing_count")
    observed = content.get("observed_value")
    return Verdict(
        success=bool(one.success),
        unexpected=tuple(content.get("unexpected_index_list") or ()),
        missing=elements is not None and elements == missing,
        observed=float(observed) if isinstance(observed, int | float) else None,
        exception=message,
    )


def _exception(info: Mapping[str, Any]) -> str | None:
    """The first exception's message; Great Expectations nests them by metric."""
    parts = [info] if "raised_exception" in info else [part for part in info.values() if isinstance(part, Mapping)]
    messages = [
        str(part.get("exception_message") or "unknown exception") for part in parts if part.get("raised_exception")
    ]
    return messages[0].splitlines()[0] if messages else None
