"""How every page looks in a real browser: it fits, weighs little, keeps still, and hides nothing from anyone."""

import pytest
from addresses import ADDRESSES, ASKED, LUKIN
from fakes import answerer_over
from real_service import evaluated, serving
from served import served

from api.app import create_app
from api.service_store import ServiceStore
from index.originals import remove_document


def faults(page):
    """What axe-core finds wrong with a page, all of it unfolded: (rule, elements)."""
    page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")
    return page.evaluate(
        "axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] })"
        ".then(run => run.violations.map(one => [one.id, one.nodes.map(n => n.html)]))"
    )


def assert_calm(page, address, width):
    """A page is as wide as its window, weighs less than 100 kB with all that it loads, and nothing on it moves."""
    page.goto(address)
    page.wait_for_timeout(50)
    wide, weight, shifted = page.evaluate(
        "() => [document.documentElement.scrollWidth, ['navigation', 'resource'].flatMap("
        "kind => performance.getEntriesByType(kind)).reduce((sum, one) => sum + one.decodedBodySize, 0), shifted]"
    )
    assert (address, wide, shifted) == (address, width, [])
    assert 0 < weight < 100_000, address


@pytest.mark.parametrize(("scheme", "width"), [("light", 390), ("dark", 1600)])
def test_every_page_fits_its_window_is_light_in_weight_and_does_not_shift(service, open_page, scheme, width):
    page = open_page(service.address, width=width, scheme=scheme)
    keys = ServiceStore(service.store.folder)
    with keys, served(create_app(answerer_over(service.store), keys=keys)) as guarded:
        assert_calm(page, guarded + "/login", width)
    for address in ADDRESSES.values():
        assert_calm(page, service.address + address, width)
    ground = page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
    assert ground == {"light": "rgb(251, 248, 242)", "dark": "rgb(24, 22, 19)"}[scheme]


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 390)])
def test_the_accessibility_checker_finds_nothing(service, open_page, axe, scheme, width):
    page = open_page(service.address, width=width, scheme=scheme, init=axe)
    keys = ServiceStore(service.store.folder)
    with keys, served(create_app(answerer_over(service.store), keys=keys)) as guarded:
        for address in [*(service.address + address for address in ADDRESSES.values()), guarded + "/login"]:
            page.goto(address)
            assert (address, faults(page)) == (address, [])


def evaluated_twice(own, page):
    """Judge an answer, evaluate on it twice; give the addresses of all that there is then to look at."""
    page.goto(own.address + ASKED)
    page.get_by_role("button", name="Right", exact=True).click()
    page.get_by_text("Kept as a gold question.").wait_for()
    runs = [page.request.post(own.address + "/evaluations/confirmed") for _ in range(2)]
    assert [run.status for run in runs] == [200, 200]
    page.goto(own.address + "/evaluations")
    page.locator("#compare").wait_for()
    done = [option.get_attribute("value") for option in page.locator("#run option").all()]
    compared = f"/evaluations/compare?run={done[0]}&baseline={done[1]}"
    return [own.address + path for path in ("/evaluations", "/confirmed", f"/evaluations/{done[0]}", compared)]


def test_the_accessibility_checker_finds_nothing_on_runs_reports_and_judged_answers_either(own, open_page, axe):
    page = open_page(own.address, init=axe)
    for address in evaluated_twice(own, page):
        page.goto(address)
        assert (address, faults(page)) == (address, [])


@pytest.mark.parametrize(("scheme", "width"), [("dark", 390), ("light", 1600)])
def test_runs_reports_and_judged_answers_fit_their_window_too(own, open_page, scheme, width):
    page = open_page(own.address, width=width, scheme=scheme)
    for address in evaluated_twice(own, page):
        assert_calm(page, address, width)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A service that ran the seeds' 108 questions twice, and in between lost an article; addresses of all the pages."""
    with serving(tmp_path_factory.mktemp("runs")) as service:
        before = evaluated(service.address)
        remove_document(service.store, LUKIN)
        after = evaluated(service.address)
        compared = f"{service.address}/evaluations/compare?run={after}&baseline={before}&different=true"
        run = f"{service.address}/evaluations/{before}"
        yield [*(f"{run}?page={page}" for page in range(1, 6)), f"{run}?outcome=wrong", f"{run}?q=nothing", compared]


@pytest.mark.parametrize(("scheme", "width"), [("light", 390), ("dark", 1280), ("dark", 1600)])
def test_every_page_of_a_report_of_108_questions_fits_and_is_light_in_weight(runs, open_page, scheme, width):
    page = open_page(runs[0], width=width, scheme=scheme)
    listed = []
    for address in runs:
        assert_calm(page, address, width)
        if "page=" in address:
            listed += page.locator("#table .id code").all_inner_texts()
    assert listed == [f"q{number:03}" for number in range(1, 109)]
    assert page.locator("#table tbody tr").count() == 25  # of the comparison


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 390)])
def test_the_accessibility_checker_finds_nothing_on_any_page_of_a_report(runs, open_page, axe, scheme, width):
    page = open_page(runs[0], width=width, scheme=scheme, init=axe)
    for address in runs:
        page.goto(address)
        assert (address, faults(page)) == (address, [])
