"""Names of the jobs, which their steps ask for too."""

JOB_NAME = "nightly"
REBUILD_JOB_NAME = "rebuild"
