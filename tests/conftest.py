"""What every test shares: no network, no settings from outside, the real models loaded once."""

import faulthandler
import os
from pathlib import Path

import hypothesis
import pytest

# How long an example takes says nothing on a shared machine.
hypothesis.settings.register_profile("pincite", deadline=None)
hypothesis.settings.load_profile("pincite")

os.environ["HF_HUB_OFFLINE"] = "1"
for name in [n for n in os.environ if n.startswith("PINCITE_")]:
    del os.environ[name]


@pytest.hookimpl(trylast=True)
def pytest_configure():
    """Let a crash show the thread that crashed: all of them, as pytest would have it, hide it in a long log."""
    faulthandler.enable(os.dup(2), all_threads=False)


SEEDS = Path(__file__).parent.parent / "seeds"


@pytest.fixture(scope="session")
def embedder():
    from api.build import build_embedder
    from api.settings import Settings

    return build_embedder(Settings())


@pytest.fixture(scope="session")
def reader():
    from api.build import build_reader
    from api.settings import Settings

    return build_reader(Settings())


@pytest.fixture(scope="session")
def exact_embedder():
    """The embedder in the precision of the reference."""
    from api.build import build_embedder
    from api.settings import Settings

    return build_embedder(Settings(precision="fp32"))


@pytest.fixture(scope="session")
def exact_reader():
    from api.build import build_reader
    from api.settings import Settings

    return build_reader(Settings(precision="fp32"))


@pytest.fixture(scope="session")
def seed_store(tmp_path_factory):
    """The folder of a store with the five seed articles; tests that write make their own."""
    from api.indexing import IndexRequest, run_index
    from api.settings import Settings

    folder = tmp_path_factory.mktemp("seeds") / "store"
    run_index(IndexRequest((SEEDS,)), Settings(store=folder), print, lambda *_: None)
    return folder


@pytest.fixture(scope="session")
def seed_answerer(seed_store):
    from api.build import open_answerer

    answerer = open_answerer(seed_store)
    yield answerer
    answerer.store.close()
