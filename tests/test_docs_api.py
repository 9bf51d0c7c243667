"""docs/api.md, carried out: every command and every piece of Python in it, against a running service."""

import io
import os
import re
import subprocess
from contextlib import redirect_stdout
from pathlib import Path

import httpx2
import pytest
from fakes import MANIFEST, answerer_over
from guarded import key_for
from served import served

from api import objects, schemas
from api.app import create_app
from api.service_store import ServiceStore
from index.store import Store

DOCUMENT = (Path(__file__).parent.parent / "docs" / "api.md").read_text("utf-8")
ARTICLE = (
    b"The summit\n\nThe Regional Anti-Terrorist Structure is in Tashkent, a city of Central Asia.\n\nBy Ada Miller\n"
)


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```", DOCUMENT, re.MULTILINE | re.DOTALL)


@pytest.fixture
def service(tmp_path, monkeypatch):
    """The address of a service with one article, and a key that may do everything; the folder is an empty one."""
    with Store.open(tmp_path / "store", MANIFEST, create=True) as store, ServiceStore(store.folder) as keys:
        (tmp_path / "work").mkdir()
        monkeypatch.chdir(tmp_path / "work")
        with served(create_app(answerer_over(store), keys=keys)) as url:
            key = key_for(keys, "ask", "write", "admin")
            run_sh(f'curl -sf -X PUT "{url}/v1/documents?source=a.txt" -H "Authorization: Bearer {key}" '
                   "--data-binary @-", url, key, ARTICLE)  # fmt: skip
            yield url, key


def run_sh(script, url, key, given=b""):
    done = subprocess.run(
        ["bash", "-eu", "-o", "pipefail", "-c", script],
        input=given, capture_output=True, env={**os.environ, "URL": url, "KEY": key}, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, (done.stdout, done.stderr)
    return done.stdout.decode()


def test_every_command_answers_without_a_problem(service):
    url, key = service
    said = run_sh("\n".join(blocks("sh")), url, key)
    assert said.count('"type":"about:blank"') == 1  # the evaluation that had ended
    assert said.count('"answer":"Tashkent"') == 2  # alone, in a stream
    assert said.count('"answer": "Tashkent"') == 1  # in the batch
    assert "event: passages" in said
    assert '"status":"ok"' in said
    assert Path("copy.txt").read_bytes() == Path("summit.txt").read_bytes()
    assert "# TYPE pincite_requests_total counter" in said


def test_every_piece_of_python_does_what_its_comment_says(service):
    url, key = service
    Path("gold.jsonl").write_text(re.search(r"gold.jsonl <<'END'\n(.*?)END", DOCUMENT, re.DOTALL)[1])
    names, said = {}, io.StringIO()
    with redirect_stdout(said):
        for block in blocks("python"):
            exec(block.replace("http://127.0.0.1:8000", url).replace("pk_...", key), names)
    names["client"].close()
    lines = said.getvalue().splitlines()
    assert lines[0].startswith("Tashkent 0.")
    assert lines[0].endswith("['a.txt']")
    assert lines[1:7] == [
        "['a.txt']",  # found
        "1 None",
        "2 None",
        "['ok']",
        "['2024/summit.txt', 'a.txt']",
        "done 1.0",
    ]
    # It had ended, or it had not: both may be.
    assert lines[7:] in (["409", "['done', 'done'] done"], ["['cancelled', 'done'] cancelled"])


def test_every_call_of_the_interface_is_documented(service):
    url, key = service
    paths = httpx2.get(f"{url}/openapi.json", headers={"authorization": f"Bearer {key}"}).json()["paths"]
    assert [path for path in paths if path.replace("{evaluation_id}", "{id}") not in DOCUMENT] == []


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        (objects.Citation, schemas.CitationReply),
        (objects.Alternative, schemas.AlternativeReply),
        (objects.Passage, schemas.PassageReply),
        (objects.SearchResult, schemas.SearchReply),
        (objects.Answer, schemas.AskReply),
        (objects.Verdict, schemas.VerdictReply),
        (objects.Document, schemas.DocumentReply),
        (objects.Evaluation, schemas.EvaluationReply),
    ],
)
def test_the_clients_types_have_the_keys_of_the_replies(theirs, ours):
    assert set(theirs.__annotations__) == set(ours.model_fields)
