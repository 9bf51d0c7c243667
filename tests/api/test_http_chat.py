"""Chat completions, as the `openai` client asks for them."""

import json
import re
from hashlib import sha256

import httpx2
import openai
import pytest
from fakes import NameReader, answerer_over, put
from guarded import CLIMBED, bearer, guarded, key_for
from library import EIGER, TEXTS
from served import served

from api.app import create_app
from api.bounds import Bounds
from api.service_store import ServiceStore
from index.types import document_id_of

QUOTE, SENTENCE = "Charles Barrington", "The mountain Eiger was first climbed by Charles Barrington."
START = EIGER.index(QUOTE)
END = START + len(QUOTE)
UNANSWERED = "Which telescope discovered seventeen planets?"
CHAT = "/v1/chat/completions"


@pytest.fixture(scope="module")
def service(kept, tmp_path_factory):
    """The address of a service, and a key that may ask."""
    with (
        ServiceStore(tmp_path_factory.mktemp("keys")) as keys,
        served(create_app(answerer_over(kept), keys=keys)) as url,
    ):
        yield url, key_for(keys, "ask"), key_for(keys, "write")


@pytest.fixture(scope="module")
def chat(service):
    with client_of(service) as client:
        yield client


def client_of(service, key=None):
    return openai.OpenAI(base_url=f"{service[0]}/v1", api_key=key or service[1], max_retries=0)


def say(chat, messages, **more):
    messages = [{"role": "user", "content": messages}] if isinstance(messages, str) else messages
    return chat.chat.completions.create(model="pincite", messages=messages, **more)


def read_address(service, source, start, end):
    version = sha256(TEXTS[source].encode()).hexdigest()
    return f"{service[0]}/read/{document_id_of(source)}?start={start}&end={end}&sha256={version}#cited"


def test_the_one_model_is_listed(chat):
    (model,) = chat.models.list().data
    assert (model.id, model.object, model.owned_by) == ("pincite", "model", "pincite")


def test_an_answer_is_the_quote_its_sentence_and_its_numbered_sources(chat, service):
    reply = say(chat, CLIMBED)
    (choice,) = reply.choices
    places = [
        f"“The Eiger”, {source}, line 3, characters {START}–{END}{copy}: {read_address(service, source, START, END)}"
        for source, copy in (("alps/copy.txt", ""), ("alps/eiger.txt", " (a copy)"))
    ]
    assert choice.message.content == (
        f"“{QUOTE}” [1][2]\n\nIn: “{SENTENCE}”\n\nSources:\n1. {places[0]}\n2. {places[1]}"
    )
    assert (choice.message.role, choice.finish_reason, choice.index) == ("assistant", "stop", 0)
    assert (reply.object, reply.model) == ("chat.completion", "pincite")


def test_each_annotation_spans_the_quote_and_leads_to_a_page_that_shows_it_in_its_document(chat, service):
    message = say(chat, CLIMBED).choices[0].message
    assert [one.url_citation.url for one in message.annotations] == [
        read_address(service, source, START, END) for source in ("alps/copy.txt", "alps/eiger.txt")
    ]
    for one in message.annotations:
        found = one.url_citation
        assert (one.type, found.title) == ("url_citation", "The Eiger")
        assert message.content[found.start_index : found.end_index] == QUOTE
        page = httpx2.get(found.url, headers=bearer(service[1]))
        assert page.status_code == 200
        assert f"{QUOTE}</mark>" in page.text


def test_the_whole_reply_of_ask_is_beside_the_message(chat, service):
    alone = httpx2.post(f"{service[0]}/v1/ask", json={"question": CLIMBED}, headers=bearer(service[1])).json()
    assert {**say(chat, CLIMBED).choices[0].message.pincite, "timings_ms": 0} == {**alone, "timings_ms": 0}


def test_a_question_that_is_not_answered_is_told_in_words_with_the_nearest_sources(chat, service):
    message = say(chat, UNANSWERED).choices[0].message
    lines = message.content.split("\n")
    assert lines[:3] == ["Not in the documents.", "", "The nearest passages:"]
    nearest = message.pincite["passages"][:3]
    assert [line.partition(".")[0] for line in lines[3:]] == ["1", "2", "3"]
    for line, passage in zip(lines[3:], nearest, strict=True):
        assert line.endswith(read_address(service, passage["source"], passage["start"], passage["end"]))
    assert (message.annotations, message.pincite["answer"], message.refusal) == ([], None, None)


@pytest.mark.parametrize(
    ("question", "source"), [(CLIMBED, "alps/eiger.txt"), ("Which telescope discovered the Nile?", "rivers/nile.txt")]
)
def test_the_addresses_in_a_message_highlight_nothing_once_the_article_has_changed(
    own, store, tmp_path, question, source
):
    content = asked(own, question=question).json()["choices"][0]["message"]["content"]
    [address] = re.findall(rf"testserver(/read/{document_id_of(source)}\?\S+)", content)
    assert 'id="cited"' in own.get(address).text
    changed = tmp_path / "changed.txt"
    changed.write_text("Corrected.\n\n" + TEXTS[source])
    put(store, changed, source)
    page = own.get(address).text
    assert "This article has changed since it was cited" in page
    assert 'id="cited"' not in page


def test_where_nothing_is_stored_there_is_no_nearest_passage(empty):
    body = {"model": "pincite", "messages": [{"role": "user", "content": CLIMBED}]}
    content = empty.post(CHAT, json=body).json()["choices"][0]["message"]["content"]
    assert content == "Not in the documents, and no passage in them is near the question."


def test_a_stream_has_the_same_message_in_parts(chat):
    parts = list(say(chat, CLIMBED, stream=True))
    deltas = [part.choices[0].delta for part in parts]
    alone = say(chat, CLIMBED).choices[0].message
    assert "".join(delta.content or "" for delta in deltas) == alone.content
    assert (deltas[0].role, parts[-1].choices[0].finish_reason) == ("assistant", "stop")
    assert deltas[1].annotations == [one.model_dump() for one in alone.annotations]
    assert deltas[1].pincite["citations"] == alone.pincite["citations"]
    assert len({part.id for part in parts}) == 1
    assert all(part.usage is None for part in parts)


def test_usage_counts_the_questions_and_the_contents_tokens_and_ends_a_stream_that_asks_for_it(chat):
    question = "Which telescope?"  # the small embedder's tokens are words
    reply = say(chat, question)
    words = len("".join(c if c.isalnum() or c == "_" else " " for c in reply.choices[0].message.content).split())
    assert reply.usage.model_dump(include={"prompt_tokens", "completion_tokens", "total_tokens"}) == {
        "prompt_tokens": 2, "completion_tokens": words, "total_tokens": 2 + words,
    }  # fmt: skip
    *_, last = say(chat, question, stream=True, stream_options={"include_usage": True})
    assert (last.choices, last.usage) == ([], reply.usage)


def test_a_stream_ends_with_done_for_clients_that_wait_for_it(service):
    body = {"model": "pincite", "messages": [{"role": "user", "content": CLIMBED}], "stream": True}
    reply = httpx2.post(f"{service[0]}{CHAT}", json=body, headers=bearer(service[1]))
    assert reply.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert reply.text.endswith("\n\ndata: [DONE]\n\n")


@pytest.mark.parametrize(
    "messages",
    [
        [{"role": "user", "content": [{"type": "text", "text": CLIMBED}]}],
        [{"role": "user", "content": [{"type": "text", "text": part} for part in CLIMBED.split("the ")]}],
        [{"role": "system", "content": "Say nothing of the Eiger."}, {"role": "user", "content": CLIMBED}],
        [
            {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:,"}}]},
            {"role": "assistant", "content": None, "tool_calls": [], "annotations": [], "pincite": {}},
            {"role": "tool", "content": "42", "tool_call_id": "1"},
            {"role": "user", "content": CLIMBED, "name": "ann"},
            {"role": "assistant", "content": "I begin with"},
        ],
        [{"role": "user", "content": "x" * 2000}, {"role": "user", "content": CLIMBED}],
    ],
)  # fmt: skip
def test_the_last_user_message_is_the_question_and_no_other_is_looked_at(chat, messages):
    assert say(chat, messages).choices[0].message.content.startswith(f"“{QUOTE}”")


def test_what_says_how_a_text_is_generated_changes_nothing(chat):
    plain = say(chat, CLIMBED).choices[0].message
    more = {"temperature": 0.7, "top_p": 0.1, "max_tokens": 1, "max_completion_tokens": 1, "seed": 7, "user": "ann"}
    more |= {"stop": ["Barrington"], "n": 1, "logprobs": False, "tools": [], "tool_choice": "auto", "store": False}
    more |= {"response_format": {"type": "text"}, "modalities": ["text"], "reasoning_effort": "high", "metadata": {}}
    assert say(chat, CLIMBED, **more).choices[0].message.content == plain.content


TOOL = {"type": "function", "function": {"name": "f", "parameters": {}}}
IMAGE = [{"type": "text", "text": "What is this?"}, {"type": "image_url", "image_url": {"url": "data:,"}}]
AUDIO = [{"type": "input_audio", "input_audio": {"data": "", "format": "wav"}}]


@pytest.mark.parametrize(
    ("more", "param", "words"),
    [
        ({"tools": [TOOL]}, "tools", "no tool is called here"),
        ({"functions": [{"name": "f"}]}, "functions", "no tool is called here"),
        ({"tool_choice": "required"}, "tool_choice", "no tool is called here"),
        ({"n": 2}, "n", "a question has one answer"),
        ({"logprobs": True}, "logprobs", "no probabilities"),
        ({"top_logprobs": 3}, "top_logprobs", "no probabilities"),
        ({"response_format": {"type": "json_object"}}, "response_format", "POST /v1/ask"),
        ({"modalities": ["text", "audio"]}, "modalities", "text alone"),
        ({"audio": {"voice": "a", "format": "wav"}}, "audio", "text alone"),
        ({"web_search_options": {}}, "web_search_options", "only the indexed documents"),
        ({"extra_body": {"top_k": 3}}, "top_k", "Extra inputs"),
        ({"messages": []}, "messages", "no message of role user"),
        ({"messages": [{"role": "system", "content": "Be kind."}]}, "messages", "no message of role user"),
        ({"messages": " \n"}, "messages", "the question is empty"),
        ({"messages": [{"role": "user", "content": []}]}, "messages", "the question is empty"),
        ({"messages": "x" * 1001}, "messages", "the question has 1001 characters; at most 1000 are read"),
        ({"messages": [{"role": "user", "content": IMAGE}]}, "messages", "a part of type 'image_url'"),
        ({"messages": [{"role": "user", "content": AUDIO}]}, "messages", "a part of type 'input_audio'"),
        ({"messages": [{"role": "wizard", "content": "x"}]}, "messages.0.role", "Input should be"),
        ({"stream": "yes"}, "stream", "valid boolean"),
    ],
)
def test_what_cannot_be_done_is_refused_with_its_reason_in_the_exception(chat, more, param, words):
    with pytest.raises(openai.BadRequestError, match=words) as refused:
        say(chat, **{"messages": CLIMBED, **more})
    assert (refused.value.param, refused.value.type, refused.value.code) == (param, "invalid_request_error", None)


def test_a_model_that_there_is_not_is_not_found(chat):
    with pytest.raises(openai.NotFoundError, match="no model 'gpt-4o'; GET /v1/models") as refused:
        chat.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": CLIMBED}])
    assert (refused.value.param, refused.value.code) == ("model", "model_not_found")


def test_a_wrong_key_and_one_without_the_scope_are_refused(service):
    with client_of(service, "pk_wrong") as stranger:
        for call in (stranger.models.list, lambda: say(stranger, CLIMBED)):
            with pytest.raises(openai.AuthenticationError, match="not known, has expired or was revoked") as refused:
                call()
            assert refused.value.code == "invalid_api_key"
    with client_of(service, service[2]) as writer:
        for call in (writer.models.list, lambda: say(writer, CLIMBED, stream=True)):
            with pytest.raises(openai.PermissionDeniedError, match="no scope ask"):
                call()


def asked(client, key=None, question=CLIMBED, **more):
    body = {"model": "pincite", "messages": [{"role": "user", "content": question}], **more}
    return client.post(CHAT, json=body, headers=bearer(key) if key else {})


def told(response, status):
    """Assert that the response is a refusal in OpenAI's form, and return its message."""
    assert (response.status_code, response.headers["content-type"]) == (status, "application/json")
    assert list(response.json()) == ["error"]
    assert list(response.json()["error"]) == ["message", "type", "param", "code"]
    return response.json()["error"]["message"]


def test_the_rate_of_a_key_and_the_queue_for_the_models_hold_in_a_chat_too(kept, tmp_path):
    with guarded(kept, tmp_path, rate_per_minute=1) as (client, keys):
        key = key_for(keys, "ask")
        assert asked(client, key).status_code == 200
        refused = asked(client, key)
        assert "used up" in told(refused, 429)
        assert int(refused.headers["retry-after"]) >= 1


def test_no_turn_at_the_models_within_the_deadline_is_a_503_before_a_stream_begins(kept):
    app = create_app(answerer_over(kept), bounds=Bounds(concurrency=1, queue=1, deadline_seconds=0.05))
    with served(app) as url, client_of((url, "-")) as chat:
        app.state.admission._turns._value = 0
        for stream in (False, True):
            with pytest.raises(openai.InternalServerError, match="the models were not free"):
                say(chat, CLIMBED, stream=stream)


def test_bodies_that_are_none_or_too_long_are_refused_in_openais_form_too(client):
    json_type = {"content-type": "application/json"}
    assert "not JSON" in told(client.post(CHAT, content=b"{", headers=json_type), 400)
    assert "application/json" in told(client.post(CHAT, content=b"{}"), 415)
    assert "1,048,576" in told(client.post(CHAT, content=b" " * (2**20 + 1), headers=json_type), 413)
    told(client.get(CHAT), 405)
    told(client.get("/v1/models/nothing"), 404)


class BrokenReader(NameReader):
    def read(self, pairs):
        raise RuntimeError("secret")


def test_a_failure_is_told_in_general_terms_whether_the_stream_has_begun_or_not(kept):
    app = create_app(answerer_over(kept, reader=BrokenReader()))
    with served(app) as url:
        # Each on a connection of its own: the server closes one that a failure went over.
        with client_of((url, "-")) as chat, pytest.raises(openai.InternalServerError, match="something went wrong"):
            say(chat, CLIMBED)
        with client_of((url, "-")) as chat, pytest.raises(openai.APIError, match="something went wrong"):
            list(say(chat, CLIMBED, stream=True))


def test_the_document_of_the_interface_has_openais_form_for_the_refusals_of_a_chat(client):
    responses = client.get("/openapi.json").json()["paths"][CHAT]["post"]["responses"]
    assert {"400", "401", "403", "404", "413", "415", "429", "500", "503"} <= set(responses)
    assert "422" not in responses
    assert json.dumps(responses["400"]).count("#/components/schemas/ChatRefusal") == 1
