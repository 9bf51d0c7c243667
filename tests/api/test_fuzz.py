"""The service against its own OpenAPI document: whatever is sent, it answers with a status that is written there.

A small run is part of the suite; `make fuzz` asks far more.
"""

import json

import pytest
import schemathesis
from conftest import library
from fakes import answerer_over
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.generation.modes import GenerationMode
from served import served

from api.app import create_app

SMALL, LARGE = 12, 400  # requests of each operation


@schemathesis.serializer("application/x-ndjson")
def ndjson(_, value):
    text = value if isinstance(value, str) else json.dumps(value)
    return text.encode("utf-8", "surrogatepass")


@pytest.fixture(scope="module")
def schema(tmp_path_factory):
    with library(tmp_path_factory.mktemp("fuzz")) as store, served(create_app(answerer_over(store))) as url:
        yield schemathesis.openapi.from_url(f"{url}/openapi.json")


def operations(schema):
    return [found.ok() for found in schema.get_all_operations()]


def fuzz(operation, examples):
    documented = {status for status in operation.definition.raw["responses"] if status != "default"}
    sensible, not_so = (operation.as_strategy(generation_mode=mode) for mode in GenerationMode)

    @settings(
        max_examples=examples,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=st.one_of(sensible, not_so))
    def answers(case):
        reply = case.call()
        assert reply.status_code != 500, case.as_curl_command()
        assert str(reply.status_code) in documented, (case.as_curl_command(), reply.text)

    answers()


def test_every_operation_is_in_the_document(schema):
    assert {operation.label for operation in operations(schema)} >= {"POST /v1/ask", "GET /metrics"}


def test_whatever_is_sent_the_answer_is_one_that_is_documented(schema):
    for operation in operations(schema):
        fuzz(operation, SMALL)


@pytest.mark.slow
def test_whatever_is_sent_many_times_the_answer_is_one_that_is_documented(schema):
    for operation in operations(schema):
        fuzz(operation, LARGE)
