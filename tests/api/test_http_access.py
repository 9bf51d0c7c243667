"""Who gets in: keys, scopes, sessions of browsers, writes from other sites."""

import re
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import pytest
from fakes import answerer_over
from fastapi.testclient import TestClient
from guarded import CLIMBED, bearer, guarded, key_for, refused
from hypothesis import given
from hypothesis import strategies as st
from library import EIGER

from api.app import create_app
from api.cli.serving import _config
from api.keys import DAY
from api.routes.access import COOKIE, OPEN_PATHS, needs
from api.routes.login import own_path
from api.service_store import FILE, ServiceStore
from api.settings import Settings
from index.types import document_id_of

EIGER_ID = document_id_of("alps/eiger.txt")
GOLD = b'{"id": "1", "question": "Who climbed?", "answers": ["Barrington"]}'
COMPOSE = (Path(__file__).parents[2] / "compose.yaml").read_text("utf-8")
IN_COMPOSE = dict(re.findall(r'^      ([A-Z_]+): "(.*)"$', COMPOSE, re.MULTILINE))
ASK = {"json": {"question": CLIMBED}}
CHATS = [  # refused in OpenAI's form
    ("POST", "/v1/chat/completions", {"json": {"model": "pincite", "messages": [{"role": "user", "content": "Who?"}]}}),
    ("GET", "/v1/models", {}),
]
READS = [
    ("POST", "/v1/ask", ASK),
    ("POST", "/v1/search", {"json": {"query": "Eiger"}}),
    ("POST", "/v1/batch", {"content": b'{"question": "Who?"}', "headers": {"content-type": "application/x-ndjson"}}),
    ("POST", "/v1/citations/verify", {"json": {"citations": []}}),
    *CHATS,
    ("GET", "/v1/documents", {}),
    ("GET", f"/v1/documents/{EIGER_ID}", {}),
    ("GET", f"/v1/documents/{EIGER_ID}/text", {}),
    ("GET", f"/v1/documents/{EIGER_ID}/file", {}),
    ("POST", "/v1/evaluations", {"content": GOLD, "headers": {"content-type": "application/x-ndjson"}}),
    ("GET", "/v1/evaluations", {}),
    ("GET", "/v1/evaluations/0", {}),
    ("DELETE", "/v1/evaluations/0", {}),
    ("GET", "/", {}),
    ("GET", f"/read/{EIGER_ID}", {}),
]
WRITES = [
    ("PUT", "/v1/documents", {"params": {"source": "new.txt"}, "content": b"New words."}),
    ("DELETE", f"/v1/documents/{document_id_of('new.txt')}", {}),
]
OPERATES = [("GET", "/metrics", {})]
BY_SCOPE = {"ask": READS, "write": WRITES, "admin": OPERATES}
FOR_ANY_KEY = [("GET", "/docs", {}), ("GET", "/openapi.json", {}), ("GET", "/static/swagger/start.js", {})]


def send(client, call, headers=None):
    method, path, arguments = call
    given = {**arguments.get("headers", {}), **(headers or {})}
    return client.request(method, path, **{**arguments, "headers": given})


@pytest.fixture
def service(kept, tmp_path):
    """A service for the tests that only read; its keys are the test's own."""
    with guarded(kept, tmp_path) as (client, keys):
        yield client, keys


@pytest.fixture
def writable(store, tmp_path):
    with guarded(store, tmp_path) as (client, keys):
        yield client, keys


def documents(store):
    with store.snapshot() as snapshot:
        return snapshot.documents


@pytest.mark.parametrize(
    "call", [*READS, *WRITES, *OPERATES, *FOR_ANY_KEY, ("GET", "/nothing", {}), ("GET", "/v1/nothing", {})]
)
def test_without_a_key_only_health_is_told(service, kept, call):
    client, _ = service
    reply = send(client, call)
    assert reply.status_code == 401
    assert reply.headers["www-authenticate"].startswith("Bearer")
    for path in ("/healthz", "/readyz"):
        assert client.get(path).status_code == 200
    assert documents(kept) == 4


def test_every_call_of_the_interface_is_in_one_of_these_lists_and_needs_the_scope_it_states(service):
    client, keys = service
    schema = client.get("/openapi.json", headers=bearer(key_for(keys, "admin"))).json()
    stated = {
        (method.upper(), path): [scope for need in call.get("security", []) for scope in need["key"]]
        for path, calls in schema["paths"].items()
        for method, call in calls.items()
    }
    paths = {f"/v1/documents/{document_id_of(source)}" for source in ("alps/eiger.txt", "new.txt")}
    listed = {}
    for scope, calls in BY_SCOPE.items():
        for method, path, _ in calls:
            for known in paths:
                path = path.replace(known, "/v1/documents/{document_id}")
            path = path.replace("/v1/evaluations/0", "/v1/evaluations/{evaluation_id}")
            if path.startswith(("/v1/", "/metrics")):
                listed[method, path] = [scope]
    assert stated == {**listed, ("GET", "/healthz"): [], ("GET", "/readyz"): []}
    assert schema["components"]["securitySchemes"]["key"]["scheme"] == "bearer"


def test_a_scope_grants_what_it_names_and_nothing_else(writable):
    client, keys = writable
    for scope in ("ask", "write", "admin"):
        headers = bearer(key_for(keys, scope))
        for needed, call in ((needed, call) for needed, calls in BY_SCOPE.items() for call in calls):
            reply = send(client, call, headers)
            if scope == needed:
                there_is_none = call[1] == "/v1/evaluations/0"
                assert reply.status_code in ((404,) if there_is_none else (200, 201, 202, 204)), call
            else:
                assert reply.status_code == 403, call
                assert f'scope="{needed}"' in reply.headers["www-authenticate"]
        for call in FOR_ANY_KEY:
            assert send(client, call, headers).status_code == 200


def test_a_scope_that_there_is_not_cannot_be_asked_for():
    with pytest.raises(ValueError, match="no scope 'fly'"):
        needs("fly")


def test_a_wrong_key_is_refused_without_saying_what_is_wrong_with_it(service):
    client, keys = service
    text = key_for(keys, "ask")
    expired = key_for(keys, "ask", days=1, made=time.time() - 2 * DAY)
    revoked = key_for(keys, "ask")
    keys.revoke_key(revoked.split("_")[1], time.time())
    last = "0" if text[-1] != "0" else "1"
    wrong = [text[:-1] + last, f"pk_{'0' * 12}_{'0' * 64}", "pk_", "x" * 10_000, expired, revoked, text + "\u00e9"]
    said = {refused(send(client, READS[0], bearer(one.encode("latin-1").decode("latin-1"))), 401) for one in wrong[:-1]}
    said.add(refused(send(client, READS[0], {"authorization": f"Bearer {wrong[-1]}".encode("latin-1")}), 401))
    for header in ("", "Bearer", f"Basic {text}", text, f"Bearer {text},Bearer {text}"):
        said.add(refused(send(client, READS[0], {"authorization": header}), 401))
    assert len(said) == 1
    assert send(client, READS[0], {"authorization": f"bearer  {text} "}).status_code == 200


def test_two_keys_in_one_request_are_none(service):
    client, keys = service
    text = key_for(keys, "ask")
    twice = [("authorization", f"Bearer {text}"), ("authorization", f"Bearer {text}")]
    refused(client.get("/v1/documents", headers=twice), 401)


def test_a_key_that_is_revoked_while_the_service_runs_opens_nothing_from_then_on(service, tmp_path):
    client, keys = service
    headers = bearer(text := key_for(keys, "ask"))
    assert send(client, READS[0], headers).status_code == 200
    with ServiceStore(tmp_path) as elsewhere:
        elsewhere.revoke_key(text.split("_")[1], time.time())
    refused(send(client, READS[0], headers), 401)


def test_a_write_that_has_to_wait_for_another_process_keeps_nobody_out(service, tmp_path):
    client, keys = service
    text = key_for(keys, "ask")
    with closing(sqlite3.connect(tmp_path / FILE, isolation_level=None)) as other, ThreadPoolExecutor(1) as browser:
        other.execute("BEGIN IMMEDIATE")
        session = browser.submit(log_in, client, text)
        time.sleep(0.5)  # until it is written, which nothing tells
        assert client.get("/v1/models", headers=bearer(text)).status_code == 200
        assert client.get("/", headers={"cookie": f"{COOKIE}=none"}).status_code == 401
        assert not session.done()
        other.execute("ROLLBACK")
        assert session.result().status_code == 303


def test_keys_that_cannot_be_read_let_nobody_in(service, caplog):
    client, keys = service
    text = key_for(keys, "ask")
    keys.close()
    assert FILE not in refused(send(client, READS[0], bearer(text)), 503)
    assert FILE in caplog.text


def test_a_service_without_keys_describes_none(client):
    assert "security" not in client.get("/openapi.json").text
    assert client.get("/login").status_code == 404


FORM = {"content-type": "application/x-www-form-urlencoded"}
SAME_SITE = {"sec-fetch-site": "same-origin"}


class Fields(HTMLParser):
    """The hidden fields of a page."""

    def __init__(self, text):
        super().__init__()
        self.found = {}
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        if tag == "input" and attrs.get("type") == "hidden":
            self.found[attrs["name"]] = attrs["value"]


def log_in(client, text, following="/", headers=SAME_SITE):
    return client.post("/login", data={"key": text, "next": following}, headers=headers, follow_redirects=False)


def test_a_browser_without_a_session_is_shown_the_form_which_leads_back_to_where_it_was(service):
    client, keys = service
    page = client.get("/", params={"q": CLIMBED, "source": "alps/*[!\"'&?]"})
    assert (page.status_code, page.headers["content-type"]) == (401, "text/html; charset=utf-8")
    following = Fields(page.text).found["next"]
    reply = log_in(client, key_for(keys, "ask"), following)
    assert reply.status_code == 303
    answered = client.get(reply.headers["location"])
    assert answered.status_code == 200
    assert "Charles Barrington" in answered.text
    assert "alps/*[!&#34;&#39;&amp;?]" in answered.text


def test_the_cookie_of_a_session_is_out_of_reach_of_scripts_and_other_sites_and_is_not_the_key(service):
    client, keys = service
    text = key_for(keys, "ask")
    cookie = log_in(client, f" {text}\n").headers["set-cookie"]
    parts = cookie.lower().split("; ")
    assert {"httponly", "samesite=strict", "path=/", f"max-age={12 * 60 * 60}"} <= set(parts)
    assert "secure" not in parts
    assert text not in cookie
    with_tls = TestClient(client.app, base_url="https://testserver")
    assert "secure" in log_in(with_tls, text).headers["set-cookie"].lower().split("; ")


@pytest.mark.parametrize(
    ("trusted", "secure"),
    [(None, False), ("10.0.0.1", False), ("172.16.0.0/12", True), (IN_COMPOSE["FORWARDED_ALLOW_IPS"], True)],
)
def test_behind_a_proxy_that_is_trusted_the_cookie_is_for_tls_alone(service, monkeypatch, trusted, secure):
    client, keys = service
    monkeypatch.delenv("FORWARDED_ALLOW_IPS", raising=False)
    if trusted:
        monkeypatch.setenv("FORWARDED_ALLOW_IPS", trusted)
    config = _config(client.app, Settings())
    config.load()
    behind = TestClient(
        config.loaded_app, client=("172.18.0.1", 50_000), headers={"x-forwarded-proto": "https"}, follow_redirects=False
    )
    cookie = log_in(behind, key_for(keys, "ask")).headers["set-cookie"]
    assert ("secure" in cookie.lower().split("; ")) is secure


@pytest.mark.parametrize("text", ["", "pk_", "' OR 1=1 --", f"pk_{'0' * 12}_{'0' * 64}"])
def test_a_wrong_key_in_the_form_begins_no_session(service, text):
    client, _ = service
    reply = log_in(client, text)
    assert (reply.status_code, "set-cookie" in reply.headers) == (401, False)
    assert "not known, has expired or was revoked" in reply.text


def test_a_session_has_its_keys_scopes_and_ends_with_it(service):
    client, keys = service
    log_in(client, text := key_for(keys, "ask"))
    assert client.get("/").status_code == 200
    assert "Log out" in client.get("/").text
    assert send(client, WRITES[0], SAME_SITE).status_code == 403
    keys.revoke_key(text.split("_")[1], time.time())
    assert client.get("/").status_code == 401
    assert "Log out" not in client.get("/").text


def test_logging_out_ends_the_session_for_whoever_kept_its_cookie(service):
    client, keys = service
    log_in(client, key_for(keys, "ask"))
    kept = client.cookies[COOKIE]
    reply = client.post("/logout", headers=SAME_SITE, follow_redirects=False)
    assert (reply.status_code, reply.headers["location"]) == (303, "/login")
    assert COOKIE not in client.cookies
    client.cookies.set(COOKIE, kept)
    assert client.get("/").status_code == 401


@pytest.mark.parametrize("cookie", ["", "x", "0" * 64, "%00", "a" * 9000])
def test_a_made_up_cookie_is_no_session(service, cookie):
    client, _ = service
    refused(client.get("/v1/documents", headers={"cookie": f"{COOKIE}={cookie}"}), 401)


def test_a_key_in_the_header_counts_even_where_there_is_a_session(service):
    client, keys = service
    log_in(client, key_for(keys, "ask"))
    refused(client.get("/v1/documents", headers=bearer("pk_wrong")), 401)
    refused(send(client, READS[0], {**bearer(key_for(keys, "write")), **SAME_SITE}), 403)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": ""},
        {"origin": "http://[testserver"},
        {"origin": "http://testserver.evil.example"},
        {"origin": "http://testserver:81"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": "cross-site", "origin": "http://testserver"},
        {"sec-fetch-site": "sideways"},
    ],
)
def test_a_write_with_a_session_that_comes_from_no_page_of_ours_is_refused(service, kept, headers):
    client, keys = service
    log_in(client, key_for(keys, "ask", "write"))
    for call in (*WRITES, READS[0], ("POST", "/logout", {})):
        assert send(client, call, headers).status_code == 403
    assert client.get("/", headers=headers).status_code == 200  # reading is up to the cookie's SameSite
    assert documents(kept) == 4


def test_a_write_with_a_session_from_a_page_of_ours_is_done(writable):
    client, keys = writable
    log_in(client, key_for(keys, "write"))
    ours = [SAME_SITE, {"sec-fetch-site": "none"}, {"origin": "http://testserver"}]
    assert [send(client, WRITES[0], headers).status_code for headers in ours] == [201, 200, 200]


def test_another_site_cannot_log_a_browser_in(service):
    client, keys = service
    reply = log_in(client, key_for(keys, "ask"), headers={"origin": "https://evil.example"})
    assert (reply.status_code, "set-cookie" in reply.headers) == (403, False)


def test_another_site_cannot_write_to_a_service_without_keys_either(own):
    refused(send(own, WRITES[0], {"origin": "https://evil.example"}), 403)
    assert send(own, WRITES[0]).status_code == 201


def test_no_other_site_may_read_a_reply(service):
    client, keys = service
    headers = {**bearer(key_for(keys, "ask")), "origin": "https://evil.example"}
    preflight = {**headers, "access-control-request-method": "PUT", "access-control-request-headers": "authorization"}
    for reply in (client.get("/v1/documents", headers=headers), client.options("/v1/documents", headers=preflight)):
        assert not [name for name in reply.headers if name.startswith("access-control-")]
        assert reply.headers["cross-origin-resource-policy"] == "same-origin"


@pytest.mark.parametrize(
    ("content", "headers", "status"),
    [
        (b"{}", {"content-type": "application/json"}, 415),
        (b"key=a", {}, 415),
        (b"\xff", FORM, 422),
        (b"&".join(b"a=1" for _ in range(11)), FORM, 422),
        (b"a" * (64 * 2**10 + 1), FORM, 413),
        (b"", FORM, 401),
    ],
)
def test_a_form_that_is_none_is_refused(service, content, headers, status):
    client, _ = service
    assert client.post("/login", content=content, headers={**headers, **SAME_SITE}).status_code == status


@pytest.mark.parametrize(
    "following",
    [
        *("https://evil.example", "//evil.example", "/\\evil.example", "\\/evil.example", "/\t/evil.example"),
        *("javascript:alert(1)", "", "evil", "/\r\nset-cookie: a=b", "/\u2028", "/\x00", " /read/x"),
    ],
)
def test_after_the_form_a_browser_goes_nowhere_but_here(service, following):
    client, keys = service
    reply = log_in(client, key_for(keys, "ask"), following)
    assert (reply.status_code, reply.headers["location"]) == (303, "/")
    assert reply.headers["set-cookie"].startswith(f"{COOKIE}=")


@given(st.one_of(st.text(max_size=30), st.text("/\\:.@?#evil%09\t\r\n", max_size=30).map("/".__add__)))
def test_where_the_form_leads_is_always_here(path):
    assert urlsplit(urljoin("http://here.example/login", own_path(path))).netloc == "here.example"


def test_the_page_that_takes_a_key_is_drawn_without_one(service):
    client, _ = service
    page = client.get("/login")
    assert page.status_code == 200
    assert "unsafe" not in page.headers["content-security-policy"]
    for path in OPEN_PATHS:
        assert client.get(path).status_code == 200


def test_with_keys_any_host_name_leads_here_and_without_only_our_own(service, kept):
    client, keys = service
    headers = {**bearer(key_for(keys, "ask")), "host": "pincite.example"}
    assert client.get("/v1/documents", headers=headers).status_code == 200
    closed = TestClient(create_app(answerer_over(kept), allowed_hosts=("127.0.0.1",)))
    for call in (*READS, *WRITES, *FOR_ANY_KEY, ("GET", "/healthz", {}), ("GET", "/login", {})):
        reply = send(closed, call, {"host": "evil.example"})
        assert reply.json()["error"]["message"] if call in CHATS else refused(reply, 403)
        assert reply.status_code == 403
    with kept.snapshot() as snapshot:
        assert snapshot.document(EIGER_ID).document.text == EIGER
