"""A real browser, as the machine has it; where it has none, these tests are skipped and say so."""

import shutil

import pytest
from real_service import ROOT, serving

AXE = ROOT / ".browser" / "node_modules" / "axe-core" / "axe.min.js"
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
SHIFTS = """
    window.shifted = [];
    new PerformanceObserver((list) => {
      for (const entry of list.getEntries()) if (!entry.hadRecentInput) window.shifted.push(entry.value);
    }).observe({ type: "layout-shift", buffered: true });
"""


@pytest.fixture(scope="module")
def chromium():
    """The machine's Chromium. It ends with the module: its event loop would stand in the way of other tests'."""
    if CHROMIUM is None:
        pytest.skip("there is no Chromium on this machine (Debian: apt-get install chromium)")
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def axe():
    """The accessibility checker's source, which is not part of this repository."""
    if not AXE.is_file():
        pytest.skip(f"there is no axe-core at {AXE.relative_to(ROOT)} (.ci/run fetches it with npm)")
    return AXE.read_text("utf-8")


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    """A service for tests that leave it as it was."""
    with serving(tmp_path_factory.mktemp("browser")) as service:
        yield service


@pytest.fixture
def own(tmp_path):
    """A service that a test may change."""
    with serving(tmp_path) as service:
        yield service


@pytest.fixture
def open_page(chromium):
    """Open an address in a browser of its own; whatever the page complains of fails the test."""
    contexts, complaints = [], []

    def open_(address, scripts=True, width=1280, scheme="light", init=SHIFTS):
        context = chromium.new_context(
            java_script_enabled=scripts, viewport={"width": width, "height": 800}, color_scheme=scheme
        )
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(15_000)
        if scripts:
            page.add_init_script(init)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("dialog", lambda dialog: (complaints.append(f"dialog {dialog.message}"), dialog.dismiss()))
        # What a refusal is, the tests say themselves.
        page.on(
            "console",
            lambda said: (
                complaints.append(said.text)
                if said.type == "error" and "Failed to load resource" not in said.text
                else None
            ),
        )
        page.goto(address)
        return page

    yield open_
    for context in contexts:
        context.close()
    assert complaints == []
