"""What the documents promise: the library example runs, generated pages are fresh, the links lead somewhere."""

import pathlib
import re
import subprocess
import sys

from tests.support.command import ENVIRONMENT

from llm_latency_lens.simulator.latency import parse_latency
from llm_latency_lens.simulator.process import SimulatorProcess
from llm_latency_lens.simulator.spec import SimulatorSpec

ROOT = pathlib.Path(__file__).resolve().parents[2]
QUICK = SimulatorSpec(ttft=parse_latency("10ms"), itl=parse_latency("1ms"), tokens=5)


def python(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python in the repository."""
    return subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=ENVIRONMENT,
        check=False,
    )


def test_the_readmes_library_example_runs() -> None:
    """As it stands, with the address of a simulator."""
    code = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)[0]
    with SimulatorProcess(QUICK) as simulator:
        found = python("-c", code.replace("http://127.0.0.1:8000/v1", simulator.base_url))
    assert found.returncode == 0, found.stderr
    assert found.stdout.startswith("ok 5\n")


def test_the_example_program_runs() -> None:
    """A CI budget in library code."""
    with SimulatorProcess(QUICK) as simulator:
        found = python("examples/budget.py", simulator.base_url, "sim")
    assert found.returncode == 0, found.stderr
    assert "TTFT p50" in found.stdout


def test_generated_pages_are_fresh() -> None:
    """`make docs` would change nothing."""
    found = python("docs/generate.py", "--check")
    assert found.returncode == 0, found.stderr


def test_links_between_documents_lead_somewhere() -> None:
    """Every relative link of every page."""
    pages = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]
    links = [
        (page, link) for page in pages for link in re.findall(r"\]\(([^)#:]+)\)", page.read_text())
    ]
    assert len(links) > 5
    assert not [(page.name, link) for page, link in links if not (page.parent / link).exists()]
