"""The package's face: light to import, complete, typed."""

import subprocess
import sys

import llm_latency_lens

HEAVY = ("numpy", "rich", "click", "uvloop", "httptools", "msgspec", "asyncio", "ssl", "plotly")


def loaded_after(statement: str) -> set[str]:
    """Top-level modules that a fresh interpreter has loaded after `statement`."""
    code = f"import sys; before = set(sys.modules); {statement}; print(*{{m.partition('.')[0] for m in set(sys.modules) - before}})"
    return set(
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        ).stdout.split()
    )


def test_importing_the_package_loads_nothing_heavy() -> None:
    """No third-party module at all."""
    assert not loaded_after("import llm_latency_lens") & set(HEAVY)


def test_help_loads_click_alone() -> None:
    """Nothing that measures, draws or reckons."""
    statement = "from llm_latency_lens.cli.main import run; import io, contextlib; contextlib.redirect_stdout(io.StringIO()).__enter__(); run(['--help']); sys.stdout = sys.__stdout__"
    found = loaded_after(statement)
    assert "click" in found
    assert not found & {"numpy", "rich", "uvloop", "httptools", "msgspec"}


def test_every_public_name_is_there() -> None:
    """What `__all__` promises can be had, sorted, and nothing else can."""
    assert sorted(llm_latency_lens.__all__) == llm_latency_lens.__all__
    for name in llm_latency_lens.__all__:
        assert getattr(llm_latency_lens, name).__name__ in {name, "run"}
    assert not hasattr(llm_latency_lens, "nothing")
