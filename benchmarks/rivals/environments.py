"""Virtual environments for the rivals, each made once from its pinned list.

Torch is the first line of every list: what comes after would take the newest. Which build of it pip finds is up to
pip's settings; the one for processors alone is at https://download.pytorch.org/whl/cpu (PIP_EXTRA_INDEX_URL).
"""

import subprocess
import sys
from pathlib import Path

LISTS = Path(__file__).parent
INSTALLED = "installed.txt"  # in an environment: the list that it was made from


def python_of(folder: Path, name: str) -> Path:
    """Return the Python of the environment `name` under `folder`, made if it is absent or its list has changed.

    Raises subprocess.CalledProcessError where pip cannot install the list; what pip says goes to stderr.
    """
    wanted, home = LISTS / f"{name}.txt", folder.absolute() / name
    python, installed = home / "bin" / "python", home / INSTALLED
    if installed.is_file() and installed.read_text("utf-8") == wanted.read_text("utf-8"):
        return python
    print(f"installing {wanted.name} into {home} ...", file=sys.stderr)
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(home)], check=True)
    subprocess.run([str(python), "-m", "pip", "install", "--quiet", "-r", str(wanted)], check=True, stdout=sys.stderr)
    installed.write_text(wanted.read_text("utf-8"), "utf-8")
    return python


def frozen(python: Path) -> list[str]:
    """Return every package of an environment with its version, as `pip freeze` prints them."""
    command = [str(python), "-m", "pip", "freeze", "--disable-pip-version-check"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.split("\n")[:-1]
