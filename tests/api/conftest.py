"""A service over a real store of four small articles; the command line in an empty folder."""

import sys
from contextlib import contextmanager

import pytest
from fakes import answerer_over, new_store, put
from fastapi.testclient import TestClient
from library import ATTACK, EIGER, NILE, TEXTS

from api.app import create_app
from api.cli.main import main
from index.types import Field, Mark, Metadata


def _stated(text, value):
    start = text.index(value)
    return Field(value, start, start + len(value))


@contextmanager
def library(folder):
    """Write the articles under `folder`/files, and open a store of them."""
    files = folder / "files"
    for source, text in TEXTS.items():
        path = files / source
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode())
    eiger = Metadata(title=_stated(EIGER, "The Eiger"), author=_stated(EIGER, "Grace Tell"), published=Field("1858-08"))
    attack = Metadata(
        title=_stated(ATTACK, "<script>alert(1)</script>"),
        author=_stated(ATTACK, "Mallory"),
        url=Field("javascript:alert(3)"),
    )
    share = NILE.index("Share") - 1  # the BOM is not in the text
    with new_store(folder / "store") as store:
        put(store, files / "rivers/nile.txt", "rivers/nile.txt", marks=(Mark(share, share + 15, "share buttons"),))
        put(store, files / "alps/eiger.txt", "alps/eiger.txt", eiger)
        put(store, files / "alps/copy.txt", "alps/copy.txt", eiger)
        put(store, files / "<i>.txt", "<i>.txt", attack)
        yield store


def service(store):
    """A client to be entered (`with`): then all its requests share one event loop, as in a server."""
    return TestClient(create_app(answerer_over(store)), raise_server_exceptions=False)


@pytest.fixture(scope="session")
def kept(tmp_path_factory):
    """A store for the tests that only read."""
    with library(tmp_path_factory.mktemp("library")) as store:
        yield store


@pytest.fixture(scope="session")
def client(kept):
    """A service for the tests that only read."""
    with service(kept) as client:
        yield client


@pytest.fixture(scope="session")
def empty(tmp_path_factory):
    with new_store(tmp_path_factory.mktemp("empty")) as store, service(store) as client:
        yield client


@pytest.fixture
def store(tmp_path):
    """A store that a test may change, its files beside it."""
    with library(tmp_path) as store:
        yield store


@pytest.fixture
def own(store):
    """A service over that store."""
    with service(store) as client:
        yield client


@pytest.fixture
def pincite(monkeypatch, capsys, tmp_path):
    """Run a command in an empty folder; give (exit code, stdout, stderr)."""
    monkeypatch.chdir(tmp_path)

    def run(*args):
        capsys.readouterr()
        monkeypatch.setattr(sys, "argv", ["pincite", *map(str, args)])
        try:
            main()
            code = 0
        except SystemExit as exit:
            code = exit.code
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


@pytest.fixture
def articles(tmp_path):
    folder = tmp_path / "articles"
    folder.mkdir()
    (folder / "nile.txt").write_text("The Nile\n\nThe Nile ends in Egypt near Alexandria. Hapi guarded its floods.\n")
    (folder / "bread.md").write_text("# Bread\n\nBy Ada Miller\n\nThe bakers of Thebes bought yeast from Memphis.\n")
    return folder
