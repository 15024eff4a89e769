"""The page in a real browser: it is shown whole on a phone and in the dark, and nothing in it runs."""

import os
import pathlib
import shutil
from collections.abc import Iterator
from typing import Any

import pytest
from tests.support.command import lll
from tests.unit.test_report_html import hostile, payloads

from llm_latency_lens.report.html.page import result_page
from llm_latency_lens.simulator.latency import parse_latency
from llm_latency_lens.simulator.process import SimulatorProcess
from llm_latency_lens.simulator.spec import SimulatorSpec

CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"]  # fmt: skip


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Debian's chromium; without it the tests fail where real backends are required."""
    if not pathlib.Path(CHROMIUM).exists():
        if os.environ.get("LLL_REQUIRE_REAL"):
            pytest.fail("chromium is required here: apt-get install chromium")
        pytest.skip("no chromium; apt-get install chromium")
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - costly to import

    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield found
        found.close()


class Opened:
    """A page in the browser, with what it complained of and what it asked the network for."""

    def __init__(self, browser: Any, path: pathlib.Path, width: int, scheme: str) -> None:  # noqa: ANN401 - playwright's
        self.said: list[str] = []
        self.asked: list[str] = []
        context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)
        self.page = context.new_page()
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.goto(path.as_uri())

    def go_on(self, path: pathlib.Path) -> None:
        """Show another page in its place, and forget what the last one said and asked for."""
        self.said.clear()
        self.asked.clear()
        self.page.goto(path.as_uri())


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """The pages of a run and of a comparison, as the command line writes them."""
    path = tmp_path_factory.mktemp("pages")
    spec = SimulatorSpec(
        ttft=parse_latency("lognormal:20ms,0.3"), itl=parse_latency("2ms"), tokens=20
    )
    with SimulatorProcess(spec) as server:
        ask = ["--base-url", server.base_url, "-p", "hi", "-n", "60", "-c", "4", "--allow-invalid"]
        assert lll("benchmark", "openai:sim", *ask, cwd=path).code == 0
        assert lll("report", "--html", "run.html", "--markdown", "run.md", cwd=path).code == 0
        assert lll("compare", "openai:sim", "openai:sim", *ask, cwd=path).code == 0
        assert lll("report", "--html", "comparison.html", cwd=path).code == 0
    assert "## openai:sim" in (path / "run.md").read_text()
    return path


@pytest.mark.parametrize("name", ["run.html", "comparison.html"])
@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (1280, "dark"), (390, "dark"), (360, "light")])  # fmt: skip
def test_a_page_fits_and_reads_in_every_light(browser: Any, pages: pathlib.Path, name: str, width: int, scheme: str) -> None:  # noqa: ANN401 - playwright's  # fmt: skip
    """No sideways scrolling, plots with a size, text that stands out from its ground; no complaint, no request."""
    opened = Opened(browser, pages / name, width, scheme)
    page = opened.page
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    sizes = page.eval_on_selector_all(
        "svg", "all => all.map(one => one.getBoundingClientRect().width)"
    )
    assert sizes
    assert min(sizes) > 200
    colours = page.evaluate("[getComputedStyle(document.body).color, getComputedStyle(document.body).backgroundColor]")  # fmt: skip
    assert contrast(*colours) > 7.0
    assert page.locator("h1").inner_text()
    assert opened.said == []
    assert opened.asked == [(pages / name).as_uri()]


def contrast(first: str, second: str) -> float:
    """The contrast of two `rgb(...)` colours by WCAG."""

    def luminance(colour: str) -> float:
        parts = [int(part) / 255 for part in colour[4:-1].split(",")]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    bright, dim = sorted((luminance(first), luminance(second)), reverse=True)
    return (bright + 0.05) / (dim + 0.05)


def test_a_definition_opens_on_a_key(browser: Any, pages: pathlib.Path) -> None:  # noqa: ANN401 - playwright's
    """TTFT's meaning is hidden, and shown after Enter on its name."""
    page = Opened(browser, pages / "run.html", 800, "light").page
    term = page.locator("details.def", has_text="TTFT").first
    assert not term.locator("p").is_visible()
    term.locator("summary").focus()
    page.keyboard.press("Enter")
    assert term.locator("p").is_visible()


def test_x8_nothing_that_was_said_runs(browser: Any, tmp_path: pathlib.Path) -> None:  # noqa: ANN401 - playwright's
    """X8: forty payloads, a page each: no canary is set, nothing is fetched, no page goes elsewhere."""
    harmless = tmp_path / "harmless.html"
    harmless.write_text(result_page(*hostile("harmless")), encoding="utf-8")
    opened = Opened(browser, harmless, 800, "light")
    said = list(opened.said)
    for number, payload in enumerate(payloads()[:40]):
        path = tmp_path / f"{number}.html"
        path.write_text(result_page(*hostile(payload)), encoding="utf-8")
        opened.go_on(path)
        assert opened.page.evaluate("typeof window.canary") == "undefined"
        assert opened.page.locator("script").count() == 0
        assert opened.page.url == path.as_uri()
        assert opened.asked == [path.as_uri()], payload
        assert opened.said == said, payload
    opened.page.context.close()
