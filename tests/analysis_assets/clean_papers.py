"""Papers without a contradiction: random cohorts, counted, tested and rounded as a paper would print them.

Every figure is computed from one random cohort, so an audit that finds anything in them is wrong. Cox rows are drawn as
(log hazard ratio, standard error) pairs, since a paper's reader can't tell them from fitted ones.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Decimal

import numpy as np
import pandas as pd
from scipy import stats

Z = 1.959963984540054
COLUMNS = ["table", "row", "item", "level", "statistic", "value", "value_num"]


def printed(value: float, places: int) -> str:
    """`value` rounded half away from zero."""
    return str(Decimal(repr(float(value))).quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_UP))


@dataclass
class Paper:
    """Printed rows under construction."""

    records: list[tuple[str, int, str, str, str, str]] = field(default_factory=list)
    row: dict[str, int] = field(default_factory=dict)

    def add(self, table: str, item: str, level: str, **statistics: str) -> None:
        """Append one printed row."""
        self.row[table] = self.row.get(table, 0) + 1
        for statistic, text in statistics.items():
            self.records.append((table, self.row[table], item, level, statistic, text))

    def frame(self) -> pd.DataFrame:
        """The paper in the long format."""
        frame = pd.DataFrame(self.records, columns=COLUMNS[:-1], dtype="object")
        frame["value_num"] = frame["value"].where(frame["value"].str.fullmatch(r"[\d.]+"), "")
        return frame


_WORDS = ["Splenomegaly", "TP53 mutation", "Prior transplant", "Bulky disease", "FLT3 mutation", "Smoking", "Anaemia",
          "Diabetes", "Marrow fibrosis", "Trisomy 8"]  # fmt: skip
_LEVEL_NAMES = [("yes", "no"), ("positive", "negative"), ("present", "absent")]


@dataclass
class Factor:
    """A binary factor of the cohort with the level names that the paper uses."""

    item: str
    exposed: str
    reference: str
    values: np.ndarray


def clean_paper(seed: int) -> pd.DataFrame:
    """One paper of a random cohort (20 to 160 patients), all its tables consistent."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(20, 161))
    places, p_places = int(rng.integers(0, 2)), int(rng.integers(2, 4))
    age = np.round(rng.gamma(4.0, 12.0, n)).astype(int) + 1
    factors = _factors(rng, n, age)
    response = rng.random(n) < rng.uniform(0.3, 0.95)
    response[:2] = [True, False]
    toxic = rng.random(n) < rng.uniform(0.2, 0.6)
    toxic[:2] = [False, True]
    paper = Paper()
    _baseline(paper, age, factors, n, places)
    _crosstab(paper, factors, response, places, p_places, rng)
    _odds(paper, "table3", factors, response, p_places)
    _odds(paper, "table4", factors, toxic, p_places)
    _hazards(paper, "table5", factors, rng, p_places)
    _hazards(paper, "table6", factors, rng, p_places)
    graded = _toxicity(paper, "table7", n, places, rng)
    _toxicity_of_some(paper, "table8", n, places, rng)
    _text(paper, age, factors, response, graded, n, places)
    _survival(paper, rng)
    return paper.frame()


def _factors(rng: np.random.Generator, n: int, age: np.ndarray) -> list[Factor]:
    factors = [Factor("Age", ">=40 years", "<40 years", age >= 40)]
    sex = rng.random(n) < 0.5
    factors.append(Factor("Sex", "male", "female", sex))
    for item in rng.permutation(_WORDS)[: int(rng.integers(3, 9))]:
        exposed, reference = _LEVEL_NAMES[int(rng.integers(0, 3))]
        factors.append(Factor(str(item), exposed, reference, rng.random(n) < rng.uniform(0.15, 0.85)))
    regimen = rng.random(n) < 0.4
    factors.append(Factor("Conditioning", "Bu+Cy", "non-Bu+Cy", regimen))
    return [f for f in factors if 0 < f.values.sum() < n]


def _share(k: int, n: int, places: int) -> dict[str, str]:
    return {"n": str(int(k)), "pct": printed(100 * int(k) / n, places)}


def _baseline(paper: Paper, age: np.ndarray, factors: list[Factor], n: int, places: int) -> None:
    paper.add("table1", "All patients", "", n=str(n))
    median = float(np.median(age))
    paper.add("table1", "Age (years)", "", median=f"{median:g}", min=str(age.min()), max=str(age.max()))
    for level, inside in (("<40", age < 40), ("40-59", (age >= 40) & (age <= 59)), (">59", age > 59)):
        paper.add("table1", "Age (years)", level, **_share(inside.sum(), n, places))
    for factor in factors[1:]:
        paper.add("table1", factor.item, factor.exposed, **_share(factor.values.sum(), n, places))
        if factor.item in ("Sex", "Conditioning"):
            paper.add("table1", factor.item, factor.reference, **_share((~factor.values).sum(), n, places))


def _crosstab(
    paper: Paper, factors: list[Factor], response: np.ndarray, places: int, p_places: int, rng: np.random.Generator
) -> None:
    fisher_when_sparse = rng.random() < 0.4
    for factor in factors:
        table = np.array(
            [[(side & response).sum(), (side & ~response).sum()] for side in (~factor.values, factor.values)]
        )
        expected = stats.contingency.expected_freq(table)
        if fisher_when_sparse and expected.min() < 5:
            p = stats.fisher_exact(table).pvalue
        else:
            p = stats.chi2_contingency(table, correction=False).pvalue
        paper.add("table2", factor.item, "", p=_p(p, p_places))
        for level, counts in zip((factor.reference, factor.exposed), table, strict=True):
            statistics = {}
            for group, k in zip(("cr", "noncr"), counts, strict=True):
                statistics |= {f"n_{group}": str(int(k)), f"pct_{group}": printed(100 * k / counts.sum(), places)}
            paper.add("table2", factor.item, level, **statistics)


def _p(p: float, places: int) -> str:
    return f"<{10.0**-places:.{places}f}" if p < 10.0**-places else printed(p, places)


def _effect(beta: float, se: float, measure: str, p_places: int, model: str = "univariate") -> dict[str, str]:
    p = 2 * stats.norm.sf(abs(beta) / se)
    values = {"": math.exp(beta), "low": math.exp(beta - Z * se), "high": math.exp(beta + Z * se)}
    return {
        f"{model}_p": _p(p, p_places),
        f"{model}_{measure}": printed(values[""], 3),
        f"{model}_ci_low": printed(values["low"], 3),
        f"{model}_ci_high": printed(values["high"], 3),
    }


def _odds(paper: Paper, table: str, factors: list[Factor], outcome: np.ndarray, p_places: int) -> None:
    for factor in factors:
        a, b = (factor.values & outcome).sum(), (factor.values & ~outcome).sum()
        c, d = (~factor.values & outcome).sum(), (~factor.values & ~outcome).sum()
        level = f"{factor.exposed} vs {factor.reference}"
        if min(a, b, c, d) == 0:
            empty = a + b if 0 in (a, b) else c + d
            p = 2 * stats.norm.sf(21.203 * math.sqrt(empty) / 40192.97)
            ratio = "0.000" if a * d == 0 and b * c else "–"
            figures = dict(univariate_p=printed(p, 3), univariate_or=ratio, univariate_ci_low="0.000")
            paper.add(table, factor.item, level, **figures, univariate_ci_high="–")
            continue
        beta, se = math.log(a * d / (b * c)), math.sqrt(1 / a + 1 / b + 1 / c + 1 / d)
        paper.add(table, factor.item, level, **_effect(beta, se, "or", p_places))


def _hazards(paper: Paper, table: str, factors: list[Factor], rng: np.random.Generator, p_places: int) -> None:
    chosen = []
    for factor in factors:
        beta, se = rng.normal(0, 0.7), rng.uniform(0.2, 0.8)
        figures = _effect(beta, se, "hr", p_places)
        chosen.append((factor, beta, se))
        paper.add(table, factor.item, f"{factor.exposed} vs {factor.reference}", **figures)
    for factor, beta, se in chosen[: int(rng.integers(1, 3))]:
        adjusted = beta + rng.normal(0, 0.1), se * rng.uniform(1.01, 1.2)
        figures = _effect(*adjusted, "hr", p_places, "multivariate")
        paper.add(table, factor.item, f"{factor.exposed} vs {factor.reference}", **figures)


def _toxicity(paper: Paper, table: str, n: int, places: int, rng: np.random.Generator) -> np.ndarray:
    grade = rng.integers(0, 5, n)
    grade[0] = 1
    paper.add(table, "Fever", "any", **_share((grade > 0).sum(), n, places))
    for value, name in enumerate(("I", "II", "III", "IV"), start=1):
        paper.add(table, "Fever", f"Grade {name}", **_share((grade == value).sum(), n, places))
    for item in ("Symptoms: rash", "Symptoms: hypotension", "Infection"):
        paper.add(table, item, "any", **_share(rng.integers(1, n), n, places))
    return grade


def _toxicity_of_some(paper: Paper, table: str, n: int, places: int, rng: np.random.Generator) -> None:
    size = max(5, n // 2)
    for item in ("Infection", "GVHD", "Mucositis"):
        share = _share(rng.integers(0, size + 1), size, places)
        paper.add(table, item, "any", n=share["n"], denominator=str(size), pct=share["pct"])


def _text(
    paper: Paper, age: np.ndarray, factors: list[Factor], response: np.ndarray, grade: np.ndarray, n: int, places: int
) -> None:
    paper.add("text_figures", "cohort", "patients", n=str(n))
    for place in ("methods", "results text"):
        paper.add("text_figures", "age (years)", place, median=f"{np.median(age):g}", min=str(age.min()))
    for factor in factors[1:4]:
        level = f"{factor.exposed} (results text)"
        paper.add("text_figures", factor.item.lower(), level, **_share(factor.values.sum(), n, places))
    paper.add("text_figures", "CR", "fig 1", **_share(response.sum(), n, places))
    for value, name in enumerate(("I", "II", "III", "IV"), start=1):
        paper.add("text_figures", "fever grade (text)", name, pct=_share((grade == value).sum(), n, places)["pct"])
    paper.add("text_figures", "severe fever (grade >=3)", "", pct=_share((grade >= 3).sum(), n, places)["pct"])
    records = {(r[0], r[2], r[4]): r[5] for r in reversed(paper.records) if r[0] in ("table5", "table6")}
    for table, endpoint in (("table5", "EFS"), ("table6", "OS")):
        for factor in factors[1:4]:
            quoted = {s: records[table, factor.item, f"univariate_{s}"] for s in ("hr", "p")}
            paper.add("text_figures", f"{endpoint} univariate Cox (text)", factor.item.lower(), **quoted)


def _survival(paper: Paper, rng: np.random.Generator) -> None:
    months = np.sort(rng.exponential(14, 200))
    low, median, high = np.quantile(months, [0.4, 0.5, 0.65])
    shares = {f"pct_{m}m": printed(100 * (months > m).mean(), 1) for m in (6, 12)}
    paper.add(
        "text_figures", "EFS (months)", "fig 2", median=printed(median, 1), ci_low=printed(low, 1),
        ci_high=printed(high, 1), **shares,
    )  # fmt: skip
