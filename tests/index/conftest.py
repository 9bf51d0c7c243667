import pytest
from store_samples import MANIFEST

from index.store import Store


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "store"


@pytest.fixture
def store(folder):
    with Store.open(folder, MANIFEST, create=True) as opened:
        yield opened
