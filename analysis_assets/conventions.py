"""The registry of statistical conventions: which of several respectable answers a row of a table gives.

Programs differ in ties, interval transforms and the median's interval. A study names one of them
(``conventions: spss | r | sas``) and every row names the one that made it. Nothing else in the house knows a
convention by name: code asks this registry.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal

Ties = Literal["breslow", "efron"]
Interval = Literal["plain", "log", "log-log"]
MedianInterval = Literal["density", "log", "log-log"]
FlatQuantile = Literal["first", "midpoint"]

CONFIDENCE: Final = 0.95


@dataclass(frozen=True)
class Convention:
    """What one program does where programs differ.

    Attributes:
        name: Key in the study file and in the column ``convention``.
        program: Whose defaults these are.
        ties: Tied event times in Cox regression.
        km_interval: Transform of the pointwise Kaplan-Meier interval.
        median_interval: ``density``: symmetric interval from the standard error SE(S(t)) / f(t); otherwise the
            Brookmeyer-Crowley interval on the transform named.
        flat_quantile: What the quantile is where the curve runs flat exactly at it: the ``first`` time, or the
            ``midpoint`` between that time and the next event.
        chi_square_correction: Whether the 2x2 Pearson chi-square carries Yates's correction.
        newton_limit: Iterations after which the program's logistic regression stops, or None for no such limit.
        sources: Where the choices are documented or how they were established.
    """

    name: str
    program: str
    ties: Ties
    km_interval: Interval
    median_interval: MedianInterval
    flat_quantile: FlatQuantile
    chi_square_correction: bool
    newton_limit: int | None
    sources: tuple[str, ...]

    @property
    def median_ci_method(self) -> str:
        """Text for the column ``ci_method`` of median intervals."""
        if self.median_interval == "density":
            return "symmetric: SE(S(t))/f(t)"
        return f"Brookmeyer-Crowley, {self.median_interval}"

    @property
    def km_ci_method(self) -> str:
        """Text for the column ``ci_method`` of pointwise survival intervals."""
        return f"Greenwood, {self.km_interval}"


CONVENTIONS: Final[Mapping[str, Convention]] = MappingProxyType(
    {
        "spss": Convention(
            name="spss",
            program="IBM SPSS Statistics (KM, COXREG, LOGISTIC REGRESSION)",
            ties="breslow",
            km_interval="plain",
            median_interval="density",
            flat_quantile="first",
            chi_square_correction=False,
            newton_limit=20,
            sources=(
                "IBM SPSS Statistics Algorithms: KM, COXREG, LOGISTIC REGRESSION",
                "median and its standard error: output of SPSS 31, matched to six figures (tests/oracles/spss31)",
                "the 20 Newton steps: the paper's separated rows, reproduced to the printed digit",
            ),
        ),
        "r": Convention(
            name="r",
            program="R, packages survival and stats",
            ties="efron",
            km_interval="log",
            median_interval="log",
            flat_quantile="midpoint",
            chi_square_correction=True,
            newton_limit=None,
            sources=("survival::survfit, quantile.survfit, coxph, cox.zph; output of R (tests/oracles/r)",),
        ),
        "sas": Convention(
            name="sas",
            program="SAS/STAT (LIFETEST, PHREG)",
            ties="breslow",
            km_interval="log-log",
            median_interval="log-log",
            flat_quantile="midpoint",
            chi_square_correction=False,
            newton_limit=None,
            sources=("SAS/STAT User's Guide: PROC LIFETEST (CONFTYPE=LOGLOG), PROC PHREG (TIES=BRESLOW)",),
        ),
    }
)


def ordered_conventions(primary: str) -> tuple[Convention, ...]:
    """All conventions, the study's own first.

    Raises:
        KeyError: ``primary`` is no convention; the message lists the valid names.
    """
    own = convention(primary)
    return (own, *(other for other in CONVENTIONS.values() if other.name != own.name))


def convention(name: str) -> Convention:
    """Return the convention called ``name``.

    Raises:
        KeyError: No such convention; the message lists the valid names.
    """
    try:
        return CONVENTIONS[name]
    except KeyError:
        raise KeyError(f"no convention '{name}'; valid: {', '.join(CONVENTIONS)}") from None
