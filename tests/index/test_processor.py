"""FAISS multiplies matrices with the kernels of this processor, whatever its OpenBLAS knows of it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

LOADED = """
import json, os
import index.vector
import threadpoolctl
own = [one for one in threadpoolctl.threadpool_info() if "faiss" in one["filepath"]]
found = [one["architecture"] for one in own if one["user_api"] == "blas"]
print(json.dumps([found, os.environ.get("OPENBLAS_CORETYPE")]))
"""
FLAGS = set(
    next((line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("flags")), "").split()
)
WIDE = {"avx512f", "avx512cd", "avx512bw", "avx512dq", "avx512vl"}


def loaded(**environment):
    """The kernels of FAISS's OpenBLAS in a fresh process, and what is left in its environment."""
    rest = {name: value for name, value in os.environ.items() if name != "OPENBLAS_CORETYPE"}
    return json.loads(subprocess.check_output([sys.executable, "-c", LOADED], env=rest | environment, text=True))


@pytest.mark.skipif(not {"avx2", "fma"} <= FLAGS, reason="a processor without AVX2")
def test_kernels_are_those_of_the_instructions_that_the_system_lists_and_nothing_is_left_behind():
    assert loaded() == [["SkylakeX" if WIDE <= FLAGS else "Haswell"], None]


@pytest.mark.skipif(not {"avx2", "fma"} <= FLAGS, reason="a processor without AVX2")
def test_what_a_user_chose_stays():
    assert loaded(OPENBLAS_CORETYPE="Nehalem") == [["Nehalem"], "Nehalem"]
