"""Documents and saved citations over HTTP."""

import json

import pytest
from fakes import put
from library import EIGER, NILE, TEXTS

from index.types import document_id_of

NILE_ID, EIGER_ID = document_id_of("rivers/nile.txt"), document_id_of("alps/eiger.txt")


def refused(response, status):
    assert (response.status_code, response.headers["content-type"]) == (status, "application/problem+json")
    return response.json()["detail"]


def test_documents_are_listed_by_source_a_page_at_a_time(client):
    sources, after = [], None
    for _ in range(3):
        found = client.get("/v1/documents", params={"limit": 2} | ({"after": after} if after else {})).json()
        sources.append([document["source"] for document in found["documents"]])
        after = found["next"]
        if after is None:
            break
    assert sources == [["<i>.txt", "alps/copy.txt"], ["alps/eiger.txt", "rivers/nile.txt"]]


def test_a_listed_document_says_what_is_known_and_null_for_the_rest(client):
    document = client.get("/v1/documents", params={"after": "alps/copy.txt"}).json()["documents"][0]
    assert document == {
        "document_id": EIGER_ID,
        "source": "alps/eiger.txt",
        "title": "The Eiger",
        "author": "Grace Tell",
        "publisher": None,
        "published": "1858-08",
        "language": None,
        "sha256": document["sha256"],
        "characters": len(EIGER),
        "passages": 1,
    }
    assert len(document["sha256"]) == 64


def test_an_empty_store_lists_nothing(empty):
    assert empty.get("/v1/documents").json() == {"documents": [], "next": None}


@pytest.mark.parametrize("limit", ["0", "1001", "-1", "many"])
def test_a_page_of_no_size_or_too_many_is_refused(client, limit):
    assert "limit: " in refused(client.get("/v1/documents", params={"limit": limit}), 422)


def test_one_document_adds_its_marks_and_where_its_metadata_stand(client):
    listed = client.get("/v1/documents").json()["documents"]
    for document in listed:
        whole = client.get(f"/v1/documents/{document['document_id']}").json()
        text = client.get(f"/v1/documents/{document['document_id']}/text").content.decode()
        assert {key: whole[key] for key in document} == document
        assert set(whole) - set(document) == {"marks", "metadata"}
        for field in filter(None, whole["metadata"].values()):
            assert field["start"] is None or text[field["start"] : field["end"]] == field["value"]
    assert whole["marks"] == [{"start": whole["marks"][0]["start"], "end": len(text) - 2, "label": "share buttons"}]
    assert text[whole["marks"][0]["start"] :] == "Share this page\r\n"


def test_a_text_comes_unchanged_and_without_the_bom_of_its_file(client):
    for source, text in TEXTS.items():
        response = client.get(f"/v1/documents/{document_id_of(source)}/text")
        assert response.headers["content-type"] == "text/plain; charset=utf-8"
        assert response.content == text.removeprefix("\ufeff").encode()


def test_a_file_comes_byte_for_byte_with_the_bom(client):
    response = client.get(f"/v1/documents/{NILE_ID}/file")
    assert response.content == NILE.encode()
    assert response.headers["content-type"] == "text/plain; charset=utf-8"
    assert response.headers["content-disposition"] == "inline; filename*=UTF-8''nile.txt"
    attack = client.get(f"/v1/documents/{document_id_of('<i>.txt')}/file")
    assert attack.headers["content-disposition"] == "inline; filename*=UTF-8''%3Ci%3E.txt"
    assert attack.headers["x-content-type-options"] == "nosniff"


def test_a_file_that_changed_since_it_was_indexed_is_not_sent(own, tmp_path):
    path = tmp_path / "files" / "rivers/nile.txt"
    path.write_bytes(NILE.replace("Khartoum", "Timbuctu").encode())
    assert "rivers/nile.txt: the file has changed" in refused(own.get(f"/v1/documents/{NILE_ID}/file"), 409)
    path.write_bytes(b"shorter")
    refused(own.get(f"/v1/documents/{NILE_ID}/file"), 409)
    path.unlink()
    refused(own.get(f"/v1/documents/{NILE_ID}/file"), 409)
    path.mkdir()
    refused(own.get(f"/v1/documents/{NILE_ID}/file"), 409)
    assert own.get(f"/v1/documents/{NILE_ID}/text").status_code == 200


@pytest.mark.parametrize("rest", ["", "/text", "/file"])
@pytest.mark.parametrize("name", ["0000000000000000", "..%2F..%2Fetc", "x'; DROP TABLE documents;--"])
def test_a_document_that_is_not_there_is_a_404(client, name, rest):
    refused(client.get(f"/v1/documents/{name}{rest}"), 404)


def verified(client, *citations):
    response = client.post("/v1/citations/verify", json={"citations": list(citations)})
    assert response.status_code == 200
    return response.json()["results"]


def test_a_reply_s_own_citations_are_ok(client):
    citations = client.post("/v1/ask", json={"question": "Who climbed the mountain Eiger?"}).json()["citations"]
    start, end = citations[0]["start"], citations[0]["end"]
    assert verified(client, *citations) == [
        {"status": "ok", "source": "alps/copy.txt", "start": start, "end": end},
        {"status": "ok", "source": "alps/eiger.txt", "start": start, "end": end},
    ]


def test_more_surroundings_than_any_citation_has_are_refused(client):
    claim = {"source": "alps/eiger.txt", "start": 0, "end": 1, "quote": "x", "prefix": "x" * 1001}
    refused(client.post("/v1/citations/verify", json={"citations": [claim]}), 422)


def test_each_citation_gets_what_became_of_it(own, store, tmp_path):
    def citation(source, quote, start=0):
        return {"source": source, "start": start, "end": start + len(quote), "quote": quote}

    moved, elsewhere = EIGER.index("Charles"), NILE.index("Khartoum") - 1
    gone = own.get(f"/v1/documents/{EIGER_ID}").json()["sha256"]
    assert verified(
        own,
        citation("alps/eiger.txt", "Charles"),
        citation("alps/eiger.txt", "Khartoum"),
        citation("alps/eiger.txt", "Matterhorn"),
        citation("gone.txt", "Matterhorn"),
        citation("gone.txt", "Charles") | {"sha256": gone},
    ) == [
        {"status": "moved", "source": "alps/eiger.txt", "start": moved, "end": moved + 7},
        {"status": "misattributed", "source": "rivers/nile.txt", "start": elsewhere, "end": elsewhere + 8},
        {"status": "changed", "source": None, "start": None, "end": None},
        {"status": "missing", "source": None, "start": None, "end": None},
        {"status": "moved", "source": "alps/copy.txt", "start": moved, "end": moved + 7},
    ]
    (tmp_path / "files" / "alps/eiger.txt").write_bytes(b"The Matterhorn\n")
    put(store, tmp_path / "files" / "alps/eiger.txt", "alps/eiger.txt")
    assert [result["status"] for result in verified(own, citation("alps/eiger.txt", "Matterhorn", 4))] == ["ok"]


GOOD = {"source": "alps/eiger.txt", "start": 0, "end": 3, "quote": "The"}


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"citations": GOOD},
        {"citations": [GOOD], "more": 1},
        {"citations": [GOOD] * 1001},
        {"citations": [{**GOOD, "quote": ""}]},
        {"citations": [{**GOOD, "start": True}]},
        {"citations": [{**GOOD, "start": -1}]},
        {"citations": [{**GOOD, "start": 4}]},
        {"citations": [{**GOOD, "source": None}]},
        {"citations": [{**GOOD, "quote": "\ud800"}]},
    ],
)
def test_citations_that_make_no_sense_are_refused(client, body):

    headers = {"content-type": "application/json"}
    assert refused(client.post("/v1/citations/verify", content=json.dumps(body), headers=headers), 422)


def test_no_citations_have_no_results(client):
    assert verified(client) == []
