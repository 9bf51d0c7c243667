"""What a figure was measured on."""

import importlib.metadata
import os
import platform
import re
import subprocess
from pathlib import Path

_FLAGS = ("avx2", "avx_vnni", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16", "amx_int8")


def facts() -> dict[str, str]:
    """Return what should stand beside a figure, by name; what this machine does not tell is left out."""
    info = _text("/proc/cpuinfo")
    model = re.search(r"model name\s*:\s*(.+)", info)
    flags = set(found[1].split()) if (found := re.search(r"flags\s*:\s*(.+)", info)) else set()
    memory = re.search(r"MemTotal:\s*(\d+) kB", _text("/proc/meminfo"))
    known = {
        "processor": model[1] if model else platform.processor(),
        "instructions": " ".join(flag for flag in _FLAGS if flag in flags),
        "cores": str(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()),
        "memory": f"{int(memory[1]) / 2**20:.0f} GiB" if memory else "",
        "system": platform.platform(),
        "python": platform.python_version(),
        "pincite": importlib.metadata.version("pincite"),
        "commit": _commit(),
    }
    return {name: fact for name, fact in known.items() if fact}


def line(found: dict[str, str]) -> str:
    """Return the facts as one line."""
    return "; ".join(f"{name} {fact}" for name, fact in found.items())


def _text(path: str) -> str:
    try:
        return Path(path).read_text("utf-8")
    except OSError:
        return ""


def _commit() -> str:
    """Return the commit of the code, with a plus where files differ from it; "" outside a repository."""
    here = Path(__file__).parent
    try:
        commit = subprocess.run(
            ["git", "describe", "--always", "--dirty=+"], cwd=here, check=True, capture_output=True, text=True
        )
    except (OSError, subprocess.CalledProcessError):
        return ""
    return commit.stdout.strip()
