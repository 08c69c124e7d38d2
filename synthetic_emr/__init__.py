"""A synthetic hospital: turns an invented cohort into extract files, so that every outcome has to be derived."""

from synthetic_emr.files import FORMATS, SyntheticExtractError
from synthetic_emr.reference import build_reference_extract, write_reference_extract
from synthetic_emr.scale import write_scaled_extract

__all__ = [
    "FORMATS",
    "SyntheticExtractError",
    "build_reference_extract",
    "write_reference_extract",
    "write_scaled_extract",
]
