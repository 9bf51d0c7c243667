"""FAISS multiplies matrices with the kernels of this processor, whatever its OpenBLAS knows of it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from index.processor import kernels_named

LOADED = """
import json, os
import index.vector
import threadpoolctl
own = [one for one in threadpoolctl.threadpool_info() if "faiss" in one["filepath"]]
found = [one["architecture"] for one in own if one["user_api"] == "blas"]
print(json.dumps([found, os.environ.get("OPENBLAS_CORETYPE")]))
"""
CPUINFO = Path("/proc/cpuinfo")
LINES = CPUINFO.read_text("utf-8").splitlines() if CPUINFO.exists() else []
FLAGS = set(next((line for line in LINES if line.startswith("flags")), "").split())
with_avx2 = pytest.mark.skipif(not {"avx2", "fma"} <= FLAGS, reason="a processor without AVX2")
WIDE = {"avx512f", "avx512cd", "avx512bw", "avx512dq", "avx512vl"}


def loaded(**environment):
    """The kernels of FAISS's OpenBLAS in a fresh process, and what is left in its environment."""
    rest = {name: value for name, value in os.environ.items() if name != "OPENBLAS_CORETYPE"}
    return json.loads(subprocess.check_output([sys.executable, "-c", LOADED], env=rest | environment, text=True))


@with_avx2
def test_kernels_are_those_of_the_instructions_that_the_system_lists_and_nothing_is_left_behind():
    assert loaded() == [["SkylakeX" if WIDE <= FLAGS else "Haswell"], None]


@with_avx2
def test_what_a_user_chose_stays():
    assert loaded(OPENBLAS_CORETYPE="Nehalem") == [["Nehalem"], "Nehalem"]


def test_nothing_is_named_for_a_processor_that_nothing_is_known_of(monkeypatch):
    monkeypatch.delenv("OPENBLAS_CORETYPE", raising=False)
    monkeypatch.setattr("index.processor.__cpu_features__", {})
    with kernels_named():
        assert "OPENBLAS_CORETYPE" not in os.environ


def test_a_library_that_cannot_be_loaded_leaves_nothing_behind(monkeypatch):
    monkeypatch.delenv("OPENBLAS_CORETYPE", raising=False)
    monkeypatch.setattr("index.processor.__cpu_features__", {"AVX2": True, "FMA3": True})
    seen = []

    def load():
        with kernels_named():
            seen.append(os.environ["OPENBLAS_CORETYPE"])
            raise ImportError

    with pytest.raises(ImportError):
        load()
    assert seen == ["Haswell"]
    assert "OPENBLAS_CORETYPE" not in os.environ
