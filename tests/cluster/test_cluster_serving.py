"""The service on Ray Serve: the replies of one store; marked, or refused, while a part is gone."""

from pathlib import Path

import httpx2
import pytest
from fakes import answerer_over
from samples import MANIFEST, QUESTIONS, articles, in_one_store

from api.cluster.serving import ClusterOptions, application, build
from api.settings import Settings
from benchmarks.shards import spread
from index.errors import UsageError
from index.shards import ShardedStore, shard_folder

SHARDS = 3


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    """Documents in shards."""
    folder = tmp_path_factory.mktemp("served")
    with in_one_store(articles(folder / "files", 24), folder / "one") as one:
        spread(one, folder / "shards", SHARDS)
    return folder / "shards"


@pytest.fixture(scope="module")
def url(ray_cluster, shards):
    from harm import service

    with service(shards, when_missing="partial", shard_seconds=2) as url:
        yield url


@pytest.fixture(scope="module")
def right(shards):
    from harm import expected

    with ShardedStore.open(shards, MANIFEST) as sharded:
        return expected(sharded)


def test_the_replies_over_http_are_those_of_the_same_shards_in_one_process(url, right):
    from harm import told

    for question in QUESTIONS:
        reply = httpx2.post(f"{url}/v1/ask", json={"question": question}, timeout=30)
        assert reply.status_code == 200
        assert told(reply.json()) == right[question]
        assert "partial" not in reply.json()
        assert reply.json()["calibrated"]


def test_all_the_doors_of_the_service_are_there(url, shards):
    with ShardedStore.open(shards) as sharded, sharded.snapshot() as moment:
        sources = [summary.source for summary in moment.list_documents()]
    listed = httpx2.get(f"{url}/v1/documents", timeout=30).json()["documents"]
    assert [one["source"] for one in listed] == sources
    one = listed[0]["document_id"]
    text = httpx2.get(f"{url}/v1/documents/{one}/text", timeout=30).text
    assert text == Path(shards.parent / "files" / sources[0]).read_text()
    for path in ("/", "/library", f"/read/{one}?start=0&end=5", "/healthz", "/metrics", "/openapi.json"):
        assert httpx2.get(f"{url}{path}", timeout=30).status_code == 200, path
    batch = "".join(f'{{"question": "{question}"}}\n' for question in QUESTIONS[:3])
    replies = httpx2.post(
        f"{url}/v1/batch", content=batch, headers={"content-type": "application/x-ndjson"}, timeout=30
    )
    assert replies.text.count('"confidence"') >= 3


def test_documents_are_not_put_or_deleted_past_their_shards(url):
    put = httpx2.put(f"{url}/v1/documents?source=a.txt", content=b"A text.", timeout=30)
    assert (put.status_code, put.json()["detail"].split(":")[0]) == (409, "the documents are in shards")
    assert httpx2.delete(f"{url}/v1/documents/{'0' * 16}", timeout=30).status_code == 409


def test_a_shard_that_cannot_be_read_makes_answers_partial_and_lists_refused_until_it_is_back(url, shards, right):
    from harm import told, wait_until

    here = shard_folder(shards, 1)
    away = here.with_name("away")
    here.rename(away)
    try:
        reply = httpx2.post(f"{url}/v1/ask", json={"question": QUESTIONS[0]}, timeout=30)
        assert reply.json()["partial"] == {"missing_shards": [1]}
        found = httpx2.post(f"{url}/v1/search", json={"query": QUESTIONS[0]}, timeout=30).json()
        assert found["partial"] == {"missing_shards": [1]}
        refused = httpx2.get(f"{url}/v1/documents", timeout=30)
        assert refused.status_code == 503
        assert "these do not answer: 1" in refused.json()["detail"]
        assert httpx2.get(f"{url}/", timeout=30).status_code == 503
        assert httpx2.get(f"{url}/readyz", timeout=30).status_code == 200
    finally:
        away.rename(here)

    def whole():
        reply = httpx2.post(f"{url}/v1/ask", json={"question": QUESTIONS[0]}, timeout=30).json()
        return "partial" not in reply and told(reply) == right[QUESTIONS[0]]

    wait_until(whole)


def test_a_killed_shard_reader_and_ingress_give_no_wrong_answer_and_come_back(url, right):
    from harm import Load, kill

    with Load(url, right, clients=2) as load:
        load.wait_for("whole", 5)
        for deployment in ("shard-1", "reader", "ingress"):
            kill(deployment)
            load.wait_for("whole", 10)
    assert "wrong" not in load.kinds(), [reply for reply in load.replies if reply[1] == "wrong"][:1]


def test_a_service_that_asks_for_no_keys_has_to_be_told_so(shards):
    assert ClusterOptions(store=str(shards)).insecure is False


def test_a_store_that_is_not_in_shards_is_refused_before_anything_is_deployed(tmp_path):
    with pytest.raises(UsageError, match="is no store in shards"):
        application(ClusterOptions(store="x"), Settings(store=tmp_path), answerer_over, answerer_over)


def test_the_config_file_of_the_documentation_is_one_that_serve_and_we_read():
    import yaml
    from ray.serve.schema import ServeDeploySchema

    file = Path(__file__).parent.parent.parent / "docs" / "cluster.yaml"
    config = ServeDeploySchema(**yaml.safe_load(file.read_text("utf-8")))
    (app,) = config.applications
    assert app.import_path == f"{build.__module__}:{build.__name__}"
    ClusterOptions(**app.args)
