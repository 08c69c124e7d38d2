"""The headline figures of a published warehouse as text for the terminal."""

from __future__ import annotations

from typing import Any

from analysis_assets.tables import number_text
from warehouse import WarehouseHome, connect_read_only


def describe_published(home: WarehouseHome) -> str:
    """Return the headline figures: patients, rates, medians, checks, comparison with the published figures, paths."""
    with connect_read_only(home.database) as connection:

        def rows(sql: str) -> list[tuple[Any, ...]]:
            return connection.execute(sql).fetchall()

        study_name, synthetic = rows("select study_name, synthetic from quality.build")[0]
        n, known = rows("select count(*) filter (where included), count(*) from marts.patients")[0]
        lines = [f"{study_name}{' (synthetic data)' if synthetic else ''}", f"  patients          {n} of {known} known"]
        lines += [
            f"  {_ENDPOINTS[endpoint]:<17} {_rate(count, total, pct)}"
            for endpoint, count, total, pct in rows(_RATES)
            if endpoint in _ENDPOINTS
        ]
        lines += [_median(*row) for row in rows(_MEDIANS)]
        lines.append(f"  checks            {_checks(*rows(_CHECKS)[0])}")
        verdicts = rows(_COMPARISON)
        if verdicts:
            said = ", ".join(f"{count} {verdict.replace('_', ' ')}" for verdict, count in verdicts)
            lines.append(f"  published figures {said}")
        rejected = rows("select coalesce(sum(rejected), 0), coalesce(sum(rows), 0) from quality.extracts")[0]
        lines.append(f"  rejected rows     {rejected[0]} of {rejected[1]}")
    lines += [f"Warehouse: {home.database}", f"Report:    {home.report / 'index.html'}"]
    return "\n".join(lines)


_ENDPOINTS = {
    "CR": "CR",
    "MRD_NEGATIVE_CR": "MRD-negative CR",
    "HSCT_BRIDGE": "bridged to HSCT",
    "SEVERE_CRS": "severe CRS",
}
_RATES = """
    select endpoint, any_value(n), any_value(n_total), any_value(pct)
    from analysis.response_rates
    group by endpoint
    order by list_position(['CR', 'MRD_NEGATIVE_CR', 'MRD_POSITIVE_CR', 'HSCT_BRIDGE', 'SEVERE_CRS'], endpoint)
"""
_MEDIANS = """
    select endpoint, median_months, median_ci_low, median_ci_high, ci_method
    from analysis.km_summary
    where factor = '' and is_primary and endpoint in ('EFS', 'OS')
    order by endpoint
"""
_CHECKS = """
    select
        count(*) filter (where status = 'passed'),
        count(*) filter (where status = 'failed' and severity = 'warn'),
        count(*) filter (where status = 'failed' and severity <> 'warn'),
        count(*) filter (where status = 'error'), count(*) filter (where status = 'not_applicable')
    from quality.check_results
"""
_COMPARISON = """
    select verdict, count(*) from analysis.published_comparison group by verdict order by count(*) desc, verdict
"""


def _checks(passed: int, warnings: int, failed: int, broken: int, skipped: int) -> str:
    """A warning lets the night go on, a failed check stops it; what there is none of is not mentioned."""
    counts = {
        "passed": passed,
        "warning" if warnings == 1 else "warnings": warnings,
        "failed": failed,
        "could not run": broken,
        "not applicable": skipped,
    }
    return ", ".join(f"{count} {what}" for what, count in counts.items() if count or what == "passed")


def _rate(count: int | None, total: int | None, pct: float | None) -> str:
    if count is None or not total or pct is None:
        return "not computable"
    return f"{count} ({number_text(pct, 1)}%)"


def _median(endpoint: str, median: float | None, low: float | None, high: float | None, method: str | None) -> str:
    """One line; where neither end of the interval is known, none is given."""
    head = f"  median {endpoint:<10} "
    if method is None:
        return f"{head}not computable"
    low_text, high_text = ("not reached" if end is None else number_text(end, 1) for end in (low, high))
    if median is None:
        interval = f" (95% CI {low_text} months to {high_text}; {method})" if low is not None else ""
        return f"{head}not reached{interval}"
    interval = "no 95% CI" if low is None and high is None else f"95% CI {low_text} to {high_text}"
    return f"{head}{number_text(median, 1)} months ({interval}; {method})"
