"""A Ray cluster of two cores on this machine, and stores to ask. Without Ray these tests are skipped."""

import gc
import os
import warnings
from importlib.util import find_spec
from pathlib import Path

import pytest

CLUSTER = Path(__file__).parent
TESTS = CLUSTER.parent
# Ray's own: how its models are declared, what it says of itself, and processes whose end it leaves to the system.
WARNINGS = ("ignore::DeprecationWarning", "ignore:subprocess \\d+ is still running:ResourceWarning")

if find_spec("ray"):
    # No mark of a test acts on what is imported as tests are collected.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        import api.cluster.ingestion
        import api.cluster.serving  # noqa: F401


class WithoutRay(pytest.Module):
    """What stands for a module of tests that cannot be imported."""

    def collect(self):
        pytest.skip("Ray is not installed: pip install 'pincite[ray]'", allow_module_level=True)


def pytest_pycollect_makemodule(module_path, parent):
    return None if find_spec("ray") else WithoutRay.from_parent(parent, path=module_path)


def pytest_collection_modifyitems(items):
    for item in items:
        if item.path.is_relative_to(CLUSTER):
            for warning in WARNINGS:
                item.add_marker(pytest.mark.filterwarnings(warning))


@pytest.fixture(scope="session")
def ray_cluster():
    """Two cores, whose processes find the fakes; it ends with the tests."""
    import api.cluster  # noqa: F401 (before ray, which it tells to send nothing)
    import ray  # isort: skip

    # What is inherited by the processes that Ray starts.
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join([str(TESTS), str(TESTS / "cluster"), str(TESTS.parent)])
    ray.init(
        address="local",
        num_cpus=2,
        namespace="pincite",
        include_dashboard=False,
        object_store_memory=100 * 2**20,
        logging_level="ERROR",
        log_to_driver=False,
    )
    yield
    # The last test of all ends it, which may be any.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        ray.shutdown()
        gc.collect()
    if before is None:
        del os.environ["PYTHONPATH"]
    else:
        os.environ["PYTHONPATH"] = before
