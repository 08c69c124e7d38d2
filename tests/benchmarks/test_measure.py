import json
import math
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.figure import Figure, figure_of
from benchmarks.measure import BenchmarkError, Measurement, Pair, in_turn, python, run
from benchmarks.refreshes import growth

ROOT = Path(__file__).resolve().parents[2]
MEGABYTES_HELD = 150
HOLD = f"x = bytearray({MEGABYTES_HELD} * 1024 * 1024); x[::4096] = b'1' * len(x[::4096])"


def test_a_run_tells_the_memory_of_a_child_process() -> None:
    # Measured from a small process, as the benchmarks are: the kernel counts a child's memory from before its exec.
    script = (
        "import sys\n"
        "from benchmarks.measure import python, run\n"
        "child = 'import subprocess, sys; subprocess.run([sys.executable, \"-c\", sys.argv[1]], check=True)'\n"
        "measured = run(python('-c', child, sys.argv[1]))\n"
        "print(measured.peak_mb, measured.cpu_seconds, measured.seconds)\n"
    )
    done = subprocess.run([sys.executable, "-c", script, HOLD], capture_output=True, text=True, check=True, cwd=ROOT)
    peak_mb, cpu_seconds, seconds = (float(text) for text in done.stdout.split())

    assert MEGABYTES_HELD <= peak_mb < 3 * MEGABYTES_HELD
    assert cpu_seconds > 0
    assert seconds > 0


def test_waiting_is_wall_time_and_not_processor_time() -> None:
    measured = run(python("-c", "import time; time.sleep(0.6)"))

    assert measured.seconds >= 0.6
    assert measured.cpu_seconds < 0.5


def test_a_failing_command_is_an_error_with_its_own_words() -> None:
    with pytest.raises(BenchmarkError, match="status 3:\nno such extract"):
        run(python("-c", "import sys; sys.stderr.write('no such extract'); sys.exit(3)"))


def test_both_sides_are_measured_alternately(tmp_path: Path) -> None:
    order = tmp_path / "order"

    def writes(letter: str) -> str:
        return f"open({str(order)!r}, 'a').write({letter!r})"

    pair = in_turn(python("-c", writes("o")), python("-c", writes("p")), 2, lambda: None, lambda: None)

    assert order.read_text() == "opop"
    assert (len(pair.ours), len(pair.peer)) == (2, 2)


def measurements(*seconds: float) -> tuple[Measurement, ...]:
    return tuple(Measurement(each, each / 2, 10 * each) for each in seconds)


def test_a_figure_is_the_ratio_of_medians() -> None:
    line = json.loads(
        figure_of("small", Pair(measurements(3, 1, 2), measurements(4, 5, 9)), "dbt build", 1.5).as_json()
    )

    assert (line["ours"], line["peer"], line["ratio"], line["meets_goal"]) == (2, 5, 0.4, True)
    assert (line["ours_cpu"], line["peer_cpu"], line["peak_mb"]) == (1, 2.5, 30)


def test_a_missing_peer_has_no_ratio() -> None:
    line = json.loads(Figure("statistics", "s", None, None, "R survival (not installed)", 0.1, note="why").as_json())

    assert (line["ratio"], line["meets_goal"], line["note"]) == (None, None, "why")


def test_growth_is_the_exponent_of_processor_time() -> None:
    sizes = [(10_000, Pair(measurements(2), ())), (100_000, Pair(measurements(2 * 10**1.3), ()))]

    (figure,) = growth("csv", sizes)

    assert figure.ours is not None
    assert math.isclose(figure.ours, 1.3, rel_tol=1e-9)
    assert figure.meets_goal is False
