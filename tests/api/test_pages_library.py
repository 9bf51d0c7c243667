"""The library: what is listed and found, what became of each file, documents taken out."""

import json
import os

import pytest
from fastapi.testclient import TestClient
from guarded import bearer, guarded, key_for
from library import EIGER
from test_pages import EIGER_ID, NILE_ID, Page

import api.pages.library
from api.ingest_record import FILE, load_record, save_record
from index.files import Skipped
from index.ingest import IngestReport
from index.originals import original
from index.types import document_id_of

REMOVE = f"/library/{EIGER_ID}/remove"


def library(client, **params):
    return Page(client.get("/library", params=params))


def listed(page):
    """The sources on the page, in order."""
    return [text for attrs, text in page.all("span") if attrs.get("class") == "where"]


def test_every_document_is_listed_with_its_metadata_passages_and_status(client):
    page = library(client)
    assert listed(page) == ["<i>.txt", "alps/copy.txt", "alps/eiger.txt", "rivers/nile.txt"]
    words = " ".join(page.text("ul", **{"class": "documents"}).split())
    assert "The Eiger Grace Tell, 1858-08 alps/eiger.txt On disk 1 passage Remove The Eiger" in words
    assert page.all("a", href=f"/read/{NILE_ID}")
    assert "4 documents" in page.text("p", **{"class": "lede"})


@pytest.mark.parametrize(
    ("q", "found"),
    [
        ("eiger", ["alps/copy.txt", "alps/eiger.txt"]),
        ("EIGER tell", ["alps/copy.txt", "alps/eiger.txt"]),
        ("rivers/", ["rivers/nile.txt"]),
        ("eiger nile", []),
    ],
)
def test_documents_are_found_by_words_of_title_author_or_source(client, q, found):
    page = library(client, q=q)
    assert listed(page) == found
    assert page.all("input", id="q")[0][0]["value"] == q
    assert bool(found) != ("No document has" in page.text("section", id="documents"))


def test_an_empty_library_says_so(empty):
    assert "There are no documents yet." in library(empty).text("section", id="documents")


@pytest.mark.parametrize(
    ("address", "found"),
    [
        ("/library", ["<i>.txt", "alps/copy.txt", "alps/eiger.txt", "rivers/nile.txt"]),
        ("/library?q=T", ["<i>.txt", "alps/copy.txt", "alps/eiger.txt", "rivers/nile.txt"]),
        ("/library?q=eiger", ["alps/copy.txt", "alps/eiger.txt"]),
    ],
)
def test_a_long_list_is_shown_a_page_at_a_time_and_so_is_what_was_found_in_it(client, monkeypatch, address, found):
    monkeypatch.setattr(api.pages.library, "SHOWN", 1)
    seen = []
    while address:
        page = Page(client.get(address))
        assert len(listed(page)) == 1
        seen += listed(page)
        address = next((attrs["href"] for attrs, text in page.all("a") if text == "Next page"), None)
    assert seen == found


def test_a_file_that_changed_or_is_gone_is_told_from_one_that_is_there(own, store, tmp_path):
    (tmp_path / "files/alps/eiger.txt").write_text(EIGER + "More.\n")
    os.remove(tmp_path / "files/alps/copy.txt")
    own.put("/v1/documents?source=sent.txt", content=b"Sent in.\n")
    said = [" ".join(text.split()) for attrs, text in library(own).all("p") if attrs.get("class") == "state"]
    assert [words.rsplit(" ", 2)[0] for words in said] == [
        *("On disk", "File gone", "File changed since", "On disk", "Uploaded")
    ]


def test_a_document_is_removed_after_it_was_asked_whether_that_is_meant(own, store):
    page = Page(own.get(REMOVE))
    assert "The Eiger" in page.text("main", id="main")
    assert "The file on disk stays" in page.text("main", id="main")
    assert listed(library(own)).count("alps/eiger.txt") == 1  # nothing is done by asking
    response = own.post(REMOVE)
    assert (response.status_code, str(response.url)) == (200, "http://testserver/library?removed=true")
    assert "alps/eiger.txt" not in listed(Page(response))
    assert "The document was removed." in Page(response).text("p", id="status")
    assert own.get(f"/v1/documents/{EIGER_ID}").status_code == 404


def test_the_bytes_of_an_upload_go_with_it(own, store):
    sent = own.put("/v1/documents?source=sent.txt", content=b"Sent in.\n").json()
    address = f"/library/{sent['document_id']}/remove"
    assert "Its bytes are deleted too." in Page(own.get(address)).text("main", id="main")
    own.post(address)
    assert not original(store, sent["sha256"]).exists()


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_document_that_is_not_there_cannot_be_removed(client, method):
    response = client.request(method, f"/library/{document_id_of('none.txt')}/remove", headers={"accept": "text/html"})
    assert (response.status_code, Page(response).text("h1")) == (404, "Not Found")


def test_removing_needs_the_scope_to_write_and_is_not_offered_without(store, tmp_path):
    with guarded(store, tmp_path) as (client, keys):
        asks = bearer(key_for(keys, "ask"))
        page = Page(client.get("/library", headers=asks))
        assert [attrs for attrs, _ in page.all("a") if attrs["href"].endswith("/remove")] == []
        assert page.all("section", id="upload") == []
        assert client.get(REMOVE, headers=asks).status_code == 403
        assert client.post(REMOVE, headers=asks).status_code == 403
        assert client.post(REMOVE, headers=bearer(key_for(keys, "ask", "write"))).status_code == 200


def test_a_page_of_another_site_cannot_remove(own):
    assert own.post(REMOVE, headers={"sec-fetch-site": "cross-site"}).status_code == 403
    assert own.get(f"/v1/documents/{EIGER_ID}").status_code == 200


REPORT = IngestReport(
    added=["a.txt", "b.txt"],
    unchanged=["c.txt"],
    rejected=[Skipped("<b>.txt", "binary (NUL at byte 3)")],
    vanished=["old.txt"],
    passages=7,
)


def test_the_last_indexing_is_told_with_each_file_that_was_left_out_and_why(own, store):
    assert "The last indexing" not in library(own).text("main", id="main")
    save_record(store.folder, REPORT, "2026-01-02T03:04:05+00:00")
    words = " ".join(library(own).text("section", **{"class": "record"}).split())
    assert "2026-01-02 03:04 UTC: 2 added, 1 unchanged; 7 passages made." in words
    assert "1 rejected <b>.txtbinary (NUL at byte 3) 1 vanished old.txtits file is gone" in words


def test_a_record_that_cannot_be_written_or_read_is_none(tmp_path):
    assert load_record(tmp_path) is None
    save_record(tmp_path / "nowhere", REPORT, "2026-01-02T03:04:05+00:00")
    for damaged in ("", "[]", "{}", json.dumps({"at": "x", "counts": {}, "passages": 1, "left": {}}), '{"left": 1}'):
        (tmp_path / FILE).write_text(damaged)
        assert load_record(tmp_path) is None


def test_indexing_leaves_a_record_and_a_dry_run_leaves_it_alone(pincite, articles, tmp_path):
    (articles / "scan.txt").write_bytes(b"\x00\x01\x02\x80" * 20)
    assert pincite("index", articles, "--store", tmp_path / "kept")[0] == 0
    record = load_record(tmp_path / "kept")
    assert (record.counts["added"], [one.source for one in record.left["rejected"]]) == (2, ["scan.txt"])
    pincite("index", articles, "--store", tmp_path / "kept", "--dry-run")
    assert load_record(tmp_path / "kept") == record


def test_the_library_is_a_page_for_everyone_who_may_ask(store, tmp_path):
    with guarded(store, tmp_path) as (client, _):
        assert isinstance(client, TestClient)
        for address in ("/library", "/evaluations", "/confirmed"):
            response = client.get(address, headers={"accept": "text/html"})
            assert (response.status_code, Page(response).text("h1")) == (401, "Log in")
