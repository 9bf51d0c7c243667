"""What the processor can do, by NumPy's own table, and telling it to a library that asks an old one."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from numpy._core._multiarray_umath import __cpu_features__  # type: ignore[import-not-found]

_CORETYPE = "OPENBLAS_CORETYPE"
# OpenBLAS's names of the kernels for a set of instructions, the best first.
_KERNELS = {"SkylakeX": ("AVX512F", "AVX512CD", "AVX512BW", "AVX512DQ", "AVX512VL"), "Haswell": ("AVX2", "FMA3")}


def has(*features: str) -> bool:
    """Return whether the processor is known to have all of these instructions, by NumPy's names for them."""
    return all(__cpu_features__.get(feature, False) for feature in features)


@contextmanager
def kernels_named() -> Iterator[None]:
    """Have an OpenBLAS that is loaded meanwhile take the kernels for these instructions; a user's own choice stays.

    OpenBLAS goes by a list of models, and takes a processor that is not in it for one of 2004, without AVX. FAISS's
    package holds one of 2021 (decision 0013).
    """
    kernels = next((name for name, features in _KERNELS.items() if has(*features)), None)
    if kernels is None or _CORETYPE in os.environ:
        yield
        return
    os.environ[_CORETYPE] = kernels
    try:
        yield
    finally:
        del os.environ[_CORETYPE]
