"""A synthetic hospital: turns an invented cohort into extract files, so that every outcome has to be derived."""

from synthetic_emr.fhir import write_fhir_extract
from synthetic_emr.files import FORMATS, SyntheticExtractError, read_extract
from synthetic_emr.his_zh import write_his_zh_extract
from synthetic_emr.nightly import nightly_extracts, write_nightly_history
from synthetic_emr.omop import write_omop_extract
from synthetic_emr.reference import build_reference_extract, write_reference_extract
from synthetic_emr.scale import write_scaled_extract

__all__ = [
    "FORMATS",
    "SyntheticExtractError",
    "build_reference_extract",
    "nightly_extracts",
    "read_extract",
    "write_fhir_extract",
    "write_his_zh_extract",
    "write_nightly_history",
    "write_omop_extract",
    "write_reference_extract",
    "write_scaled_extract",
]
