"""Documents put and deleted over HTTP: saved means saved, deleted means deleted, and no name leads anywhere else."""

import hashlib
import unicodedata
from contextlib import closing
from pathlib import Path, PurePosixPath, PureWindowsPath

import pytest
from fakes import MANIFEST, answerer_over
from fastapi.testclient import TestClient
from guarded import refused
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from api.app import create_app
from api.bodies import MAX_SOURCE, Source
from api.bounds import Bounds
from api.build import open_answerer
from api.indexing import IndexRequest, run_index
from api.settings import Settings
from index.originals import FOLDER
from index.store import Store
from index.types import document_id_of

WHERE = "Which gorge did the traveller Ruritania cross?"
TEXT = "\ufeffThe traveller Ruritania did cross the gorge Kaskawulsh.\r\n".encode()
OTHER = b"The traveller Ruritania did cross the gorge Ordesa.\n"
ID = document_id_of("trips/one.txt")


def put(client, data, source="trips/one.txt"):
    return client.put("/v1/documents", params={"source": source}, content=data)


def answer(client):
    return client.post("/v1/ask", json={"question": WHERE}).json()["answer"]


def originals(store):
    folder = store.folder / FOLDER
    return {file.name for file in folder.iterdir()} if folder.is_dir() else set()


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def test_a_new_document_is_searchable_when_the_call_returns(own, store):
    reply = put(own, TEXT)
    assert (reply.status_code, reply.headers["location"]) == (201, f"/v1/documents/{ID}")
    found = reply.json()
    assert (found["document_id"], found["source"], found["sha256"]) == (ID, "trips/one.txt", sha256(TEXT))
    assert own.get("/v1/documents", params={"after": "rivers/nile.txt"}).json()["documents"] == [found]
    assert {**own.get(reply.headers["location"]).json(), **found}["source"] == "trips/one.txt"
    assert answer(own) == "Kaskawulsh"
    citation = own.post("/v1/ask", json={"question": WHERE}).json()["citations"][0]
    assert TEXT[citation["byte_start"] : citation["byte_end"]] == b"Kaskawulsh"
    assert originals(store) == {sha256(TEXT)}


def test_its_bytes_come_back_as_they_were_sent(own):
    put(own, TEXT)
    reply = own.get(f"/v1/documents/{ID}/file")
    assert (reply.content, reply.headers["content-type"]) == (TEXT, "text/plain; charset=utf-8")
    assert own.get(f"/v1/documents/{ID}/text").content == TEXT.decode("utf-8-sig").encode()
    assert f"/v1/documents/{ID}/file" in own.get(f"/read/{ID}").text


def test_it_is_there_for_another_process_that_opens_the_store_afterwards(own, store):
    put(own, TEXT)
    with Store.open(store.folder, MANIFEST) as again:
        assert answerer_over(again).ask(WHERE).answer == "Kaskawulsh"


def test_a_replaced_document_is_answered_from_no_more_and_its_bytes_are_gone(own, store):
    put(own, TEXT)
    reply = put(own, OTHER)
    assert (reply.status_code, reply.json()["sha256"]) == (200, sha256(OTHER))
    assert answer(own) == "Ordesa"
    assert originals(store) == {sha256(OTHER)}
    assert put(own, OTHER).status_code == 200
    assert own.get(f"/v1/documents/{ID}/file").content == OTHER


def test_a_deleted_document_is_answered_from_no_more_and_its_bytes_are_gone(own, store):
    put(own, TEXT)
    reply = own.delete(f"/v1/documents/{ID}")
    assert (reply.status_code, reply.content) == (204, b"")
    assert answer(own) != "Kaskawulsh"
    for rest in ("", "/text", "/file"):
        refused(own.get(f"/v1/documents/{ID}{rest}"), 404)
    refused(own.delete(f"/v1/documents/{ID}"), 404)
    assert originals(store) == set()
    assert put(own, TEXT).status_code == 201


def test_bytes_that_two_documents_share_stay_until_the_last_is_deleted(own, store):
    put(own, TEXT)
    put(own, TEXT, "trips/two.txt")
    own.delete(f"/v1/documents/{ID}")
    other = document_id_of("trips/two.txt")
    assert own.get(f"/v1/documents/{other}/file").content == TEXT
    own.delete(f"/v1/documents/{other}")
    assert originals(store) == set()


def test_a_file_that_is_deleted_or_replaced_over_http_stays_where_it_is(own, tmp_path):
    eiger, copy = (tmp_path / "files" / name for name in ("alps/eiger.txt", "alps/copy.txt"))
    before = eiger.read_bytes(), copy.read_bytes()
    assert own.delete(f"/v1/documents/{document_id_of('alps/copy.txt')}").status_code == 204
    assert put(own, TEXT, "alps/eiger.txt").status_code == 200
    assert own.get(f"/v1/documents/{document_id_of('alps/eiger.txt')}/file").content == TEXT
    assert (eiger.read_bytes(), copy.read_bytes()) == before


def test_bytes_that_were_changed_on_the_disk_are_not_sent_and_can_be_put_again(own, store):
    put(own, TEXT)
    kept = store.folder / FOLDER / sha256(TEXT)
    kept.write_bytes(TEXT.replace(b"gorge", b"ridge"))
    assert "trips/one.txt: the file has changed" in refused(own.get(f"/v1/documents/{ID}/file"), 409)
    kept.unlink()
    refused(own.get(f"/v1/documents/{ID}/file"), 409)
    assert put(own, TEXT).status_code == 200
    assert own.get(f"/v1/documents/{ID}/file").content == TEXT


@pytest.mark.parametrize("source", ["a.exe", "a", "a.txt.zip", ".txt", "a.txt/b"])
def test_a_kind_of_file_that_cannot_be_read_is_a_415(client, kept, source):
    assert source in refused(put(client, b"Words.", source), 415)
    assert originals(kept) == set()


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "empty"),
        (b" \r\n", "blank"),
        (b"\x00\x01", "binary"),
        (b"\xff\xfe\x00", "UTF-16"),
        ("caf\u00e9 ".encode() * 9 + b"\xff\xfe\xfd", "byte 0xff at offset"),
    ],
)
def test_bytes_that_hold_no_text_are_a_422_that_says_why(client, kept, data, words):
    assert words in refused(put(client, data), 422)
    assert originals(kept) == set()


def test_a_document_over_the_limit_is_a_413_whether_its_length_is_told_or_not(kept):
    with TestClient(create_app(answerer_over(kept), bounds=Bounds(upload_bytes=2000))) as client:
        assert "2,000 bytes" in refused(put(client, b"a" * 2001), 413)
        refused(put(client, iter([b"a" * 1500, b"a" * 501])), 413)
        refused(put(client, b"\x00" * 2000), 422)  # short enough, and binary
    assert originals(kept) == set()


BAD = [
    *("", "/etc/passwd.txt", "../up.txt", "a/../../up.txt", "a/./b.txt", "./a.txt", "a//b.txt", "a/", "/", ".", ".."),
    *("..\\up.txt", "a\\b.txt", "C:/a.txt", "c:a.txt", "\\\\host\\share\\a.txt", "//host/share/a.txt"),
    *("a\x00.txt", "a\n.txt", "a\r\nset-cookie: b=c.txt", "\x1b[31m.txt", "a\x7f.txt", "a\x85.txt", "a\u2028.txt"),
    *("a\u202etxt.exe.txt", "a\u2066.txt", "a\ufffd.txt", "e\u0301.txt", "\u212b.txt", "x" * (MAX_SOURCE - 3) + ".txt"),
]


@pytest.mark.parametrize("source", BAD)
def test_a_source_that_is_no_plain_relative_path_is_refused_and_nothing_is_written(client, kept, tmp_path, source):
    before = sorted(kept.folder.rglob("*"))
    assert "source: " in refused(put(client, b"Some words.", source), 422)
    assert sorted(kept.folder.rglob("*")) == before


def test_a_source_that_cannot_be_decoded_is_refused(client):
    assert "source: " in refused(client.put("/v1/documents?source=caf%e9.txt", content=b"Words."), 422)
    assert "source: " in refused(client.put("/v1/documents", content=b"Words."), 422)


@pytest.mark.parametrize(
    "source", ["a.txt", "\u00e9t\u00e9/\u65e5\u672c\u8a9e.md", "a b/c;d='\"<x>&.txt", "..a/b...txt"]
)
def test_a_source_of_any_script_is_taken_as_it_is(own, source):
    found = put(own, b"Some words.", source).json()
    assert found["source"] == source
    name = own.get(f"/v1/documents/{found['document_id']}/file").headers["content-disposition"]
    assert name.isascii()
    assert name.count(";") == 1


@given(st.one_of(st.text(max_size=20), st.text("ab./\\:~\u00e9e\u0301\x00\n\u202e", max_size=12)))
def test_a_source_that_is_taken_stays_below_any_folder_in_every_system_and_is_one_line(source):
    try:
        TypeAdapter(Source).validate_python(source)
    except ValidationError:
        return
    assert source.encode().decode() == source == unicodedata.normalize("NFC", source)
    assert source.splitlines() == [source]
    assert (Path("/store") / source).resolve().is_relative_to("/store/")
    assert PurePosixPath(source).as_posix() == PureWindowsPath(source).as_posix() == source
    assert not {".", ".."} & set(PureWindowsPath(source).parts)


def test_after_any_puts_and_deletes_the_store_holds_what_was_last_put(own, store):
    texts = [TEXT, OTHER, b"Third words."]
    expected = {}
    for step in range(12):
        source, data = f"s{step * 5 % 3}.txt", texts[step * 7 % 4 - 1]
        if step * 7 % 4 == 0:
            removed = own.delete(f"/v1/documents/{document_id_of(source)}").status_code
            assert removed == (204 if expected.pop(source, None) else 404)
        else:
            assert put(own, data, source).status_code == (200 if source in expected else 201)
            expected[source] = data
        listed = own.get("/v1/documents", params={"after": "rivers/nile.txt"}).json()["documents"]
        assert {one["source"]: one["sha256"] for one in listed} == {
            name: sha256(data) for name, data in expected.items()
        }
        assert originals(store) == {sha256(data) for data in expected.values()}


def test_a_store_that_cannot_take_the_bytes_says_so_and_holds_nothing_of_them(own, store, caplog):
    (store.folder / FOLDER).write_text("a file where the folder should be")
    assert "originals" not in refused(put(own, TEXT), 503)  # where it lies is for the log, not for clients
    assert "originals" in caplog.text
    refused(own.get(f"/v1/documents/{ID}"), 404)
    (store.folder / FOLDER).unlink()
    assert put(own, TEXT).status_code == 201


def test_a_document_put_while_the_file_of_its_source_is_pruned_stays(articles, tmp_path):
    settings = Settings(store=tmp_path / "store")
    run_index(IndexRequest((articles,)), settings, print, lambda *_: None)
    (articles / "nile.txt").unlink()
    answerer = open_answerer(settings=settings)
    with closing(answerer.store), TestClient(create_app(answerer)) as client:

        def put_meanwhile(*_):
            assert put(client, TEXT, "nile.txt").status_code == 200

        report = run_index(IndexRequest((articles,), prune=True), settings, print, put_meanwhile)
        assert report.pruned == []
        assert client.get(f"/v1/documents/{document_id_of('nile.txt')}/file").content == TEXT
