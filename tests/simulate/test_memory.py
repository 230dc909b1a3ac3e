import subprocess
import sys

import pytest

import insarflow
from insarflow.simulate import memory
from insarflow.simulate.memory import check_fits, machine_memory, simulation_memory

SCRIPT = """
import re
from pathlib import Path
import insarflow
def peak():
    return int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) * 1024
insarflow.simulate_stack((8, 8), acquisitions=2, delays=[6], movers=0)
before = peak()
insarflow.simulate_stack((256, 512), acquisitions=4, delays=[6], movers=3)
print(peak() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="peak memory is asked of /proc")
def test_the_estimate_is_near_what_is_used():
    used = int(subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, check=True, text=True).stdout)
    assert 0.6 < simulation_memory((256, 512), 4, 3) / used < 1.7


def test_what_does_not_fit_is_refused(monkeypatch):
    monkeypatch.setattr(memory, "machine_memory", lambda: 10**9)
    with pytest.raises(ValueError, match=r"^shape=\(5000, 5000\) with 8 acquisitions and 18 pairs needs about .* GB"):
        insarflow.simulate_stack((5000, 5000))
    check_fits((100, 100), 8, 18)
    monkeypatch.setattr(memory, "machine_memory", lambda: None)
    check_fits((20_000, 20_000), 8, 18)


def test_a_container_limits(tmp_path, monkeypatch):
    whole = machine_memory()
    assert whole > 10**8
    monkeypatch.setattr(memory, "_CGROUP", tmp_path / "memory.max")
    (tmp_path / "memory.max").write_text("1000000\n")
    assert machine_memory() == 1_000_000
    (tmp_path / "memory.max").write_text("max\n")
    assert machine_memory() >= whole
