"""Architecture is a test, not a drawing: which package may import which, and where each foreign library lives."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ALLOWED = {
    "index": {"index"},
    "rag": {"rag", "index"},
    "api": {"api", "rag", "index"},
}
ONLY_IN = {
    "faiss": ("index/vector.py",),
    "tantivy": ("index/lexical.py",),
    "openvino": ("index/runtime.py", "index/network.py"),
    "nncf": ("index/quantise.py",),
    "torch": ("index/convert.py",),
    "transformers": ("index/convert.py",),
    "sentence_transformers": ("index/convert.py",),
    "huggingface_hub": ("index/models.py",),
    "sqlite3": ("index/", "api/service_store.py"),
    "charset_normalizer": ("index/decode.py",),
    "regex": ("index/offsets.py",),
    "lxml": ("index/html",),
    "trafilatura": ("index/html.py",),
    "pypdfium2": ("index/pdf_pages.py",),
    "py3langid": ("index/language.py",),
    "datasketch": ("index/sketches.py",),
    "watchfiles": ("api/cli/watching.py",),
    "pathspec": ("index/files.py",),
    "filelock": ("index/lock.py", "index/models.py"),
    "sklearn": ("rag/calibrate.py",),
    "fastapi": ("api/app.py", "api/schemas.py", "api/problems.py", "api/routes/", "api/pages/"),
    "jinja2": ("api/pages/render.py", "rag/report.py"),
    "matplotlib": ("rag/plots.py",),
    "markupsafe": ("api/pages/render.py",),
    "starlette": ("api/app.py", "api/mcp.py", "api/problems.py", "api/routes/", "api/pages/"),
    "mcp": ("api/mcp.py",),
    "anyio": ("api/mcp.py",),
    "uvicorn": ("api/cli/",),
    "limits": ("api/limits.py",),
    "httpx2": ("api/client.py",),
    "prometheus_client": ("api/metrics.py",),
    "structlog": ("api/logs.py",),
    "typer": ("api/cli/",),
    "rich": ("api/cli/",),
    "pydantic_settings": ("api/settings.py",),
    "platformdirs": ("api/settings.py",),
    "ray": ("api/cluster/",),
    "pyarrow": ("api/cluster/",),
}


def imported(source: str) -> set[str]:
    """The top-level packages that a module imports, inside functions too."""
    roots = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            roots |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative imports hide the layer"
            roots.add((node.module or "").split(".")[0])
    return roots


def faults(path: str, source: str) -> set[str]:
    roots = imported(source)
    wrong_way = (roots & ALLOWED.keys()) - ALLOWED[path.split("/")[0]]
    strays = {name for name in roots & ONLY_IN.keys() if not path.startswith(ONLY_IN[name])}
    return wrong_way | strays


MODULES = sorted(path.relative_to(ROOT).as_posix() for layer in ALLOWED for path in (ROOT / layer).rglob("*.py"))


@pytest.mark.parametrize("module", MODULES)
def test_a_module_imports_only_what_its_layer_may(module):
    assert faults(module, (ROOT / module).read_text("utf-8")) == set()


def test_the_check_catches_an_import_against_the_direction_and_one_outside_its_home():
    assert faults("index/chunk.py", "def f():\n    from rag.answer import Answerer") == {"rag"}
    assert faults("rag/retrieve.py", "import faiss") == {"faiss"}


def test_settings_alone_read_the_environment_variables_of_pincite():
    readers = [m for m in MODULES if "os.environ" in (ROOT / m).read_text("utf-8")]
    # The converter's process is told to stay offline, and passes its environment on; prometheus_client shares numbers
    # between processes where a variable of its own says so; ray is told to send nothing by one of its own,
    # and FAISS's OpenBLAS which kernels to take.
    assert set(readers) == {
        "api/settings.py",
        "api/metrics.py",
        "api/cluster/__init__.py",
        "index/convert.py",
        "index/models.py",
        "index/processor.py",
    }
