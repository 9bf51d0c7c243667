"""The page of evaluations while a run is under way: what changes is drawn again, and nothing else."""

import json

import pytest
from fakes import answerer_over, new_store
from served import served

from api.app import create_app
from api.jobs import Job
from api.service_store import ServiceStore
from index.lock import exclusive

CANCEL = "form[action$='/cancel'] button"


class Watched:
    """A page of three runs that are done and one under way, which is as far as a test says."""

    def __init__(self, runs, page):
        self.runs, self.page = runs, page

    def go_on(self, done):
        """Let the run be so far, and wait until the page shows it."""
        self.runs.note_progress("f" * 16, done, 10)
        self.page.get_by_text(f"{10 * done} %").wait_for()


@pytest.fixture
def watched(tmp_path, open_page):
    with (
        new_store(tmp_path / "store") as store,
        ServiceStore(tmp_path / "store") as runs,
        exclusive(tmp_path / "store", 0, "evaluations.lock"),  # so that nobody runs it
        served(create_app(answerer_over(store))) as address,
    ):
        for number in range(3):
            add_run(runs, f"{number:016x}", 1_700_000_000 + number)
            runs.end_job(f"{number:016x}", "done", 100, json.dumps({}).encode())
        add_run(runs, "f" * 16, 1_700_000_100)
        yield Watched(runs, open_page(f"{address}/evaluations"))


def add_run(runs, run, created):
    runs.add_job(Job(run, None, created, "queued", 0, 10), b"{}", 100)


def test_the_focus_stays_on_a_button_while_the_run_goes_on(watched):
    watched.page.locator(CANCEL).focus()
    for done in (3, 4):
        watched.go_on(done)
    assert watched.page.evaluate(f"document.activeElement.matches({json.dumps(CANCEL)})")


def test_what_was_chosen_to_be_compared_stays_chosen_while_a_run_goes_on(watched):
    page = watched.page
    page.get_by_label("against that of").select_option("0" * 16)
    page.get_by_label("Even if they are").check()
    for done in (3, 4):
        watched.go_on(done)
    assert page.get_by_label("against that of").input_value() == "0" * 16
    assert page.get_by_label("Even if they are").is_checked()


def test_a_run_that_has_ended_can_be_compared_and_leaves_the_rest_as_it_was(watched):
    page = watched.page
    page.get_by_label("Even if they are").check()
    watched.runs.end_job("f" * 16, "done", 100, json.dumps({}).encode())
    page.locator(f"#run option[value='{'f' * 16}']").wait_for(state="attached")
    assert page.locator(CANCEL).count() == 0
    assert page.get_by_label("Even if they are").is_checked()


@pytest.mark.parametrize("fail", [lambda route: route.abort(), lambda route: route.fulfill(status=503)])
def test_a_look_that_fails_does_not_end_the_watching(watched, fail):
    page = watched.page
    page.route("**/evaluations", fail, times=1)
    with page.expect_request("**/evaluations"):
        pass
    watched.go_on(5)
