"""A custom provider: the worked example, installed, named and measured; unnamed it is not even imported."""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import tomllib

import pytest
from tests.support.command import lll
from tests.support.hostile import fin, hostile, request, send

EXAMPLE = pathlib.Path(__file__).parents[2] / "examples" / "custom_provider"
BODY = b'{"token": "Hel"}\n{"token": "lo"}\n{"end": true, "tokens": 2}\n'
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nContent-Length: %d\r\n\r\n"


@pytest.fixture
def site(tmp_path: pathlib.Path) -> pathlib.Path:
    """A folder where the example is installed as an installer would: its package, and its metadata."""
    project = tomllib.loads((EXAMPLE / "pyproject.toml").read_text())["project"]
    shutil.copytree(EXAMPLE / "src" / "echo_provider", tmp_path / "site" / "echo_provider")
    info = tmp_path / "site" / f"echo_provider-{project['version']}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
    )
    ((group, entries),) = project["entry-points"].items()
    lines = [f"[{group}]", *(f"{name} = {value}" for name, value in entries.items())]
    (info / "entry_points.txt").write_text("\n".join(lines) + "\n")
    return tmp_path / "site"


def with_site(site: pathlib.Path) -> dict[str, str]:
    """The environment in which the example is installed."""
    paths = [str(site), os.environ.get("PYTHONPATH", "")]
    return {"PYTHONPATH": os.pathsep.join(filter(None, paths))}


def test_the_example_is_measured(tmp_path: pathlib.Path, site: pathlib.Path) -> None:
    """Under load too: the worker processes load it themselves; the run says which version it was."""
    (tmp_path / "llm-latency-lens.toml").write_text('plugins = ["echo"]\n')
    with hostile(request(), send(HEAD % len(BODY) + BODY), fin()) as server:
        words = [
            "echo:any",
            "--base-url",
            f"http://127.0.0.1:{server.port}",
            "-p",
            "Hello",
            "--json",
        ]
        one = lll("profile", *words, cwd=tmp_path, env=with_site(site))
        many = lll("benchmark", *words, "-n", "5", cwd=tmp_path, env=with_site(site))
    assert one.code == 0, one.err
    record = json.loads(one.out)["record"]
    assert (record["target"], record["tokens"]["output"]) == ("echo:any", 2)
    assert many.code == 5, many.err  # five requests support no percentile
    document = json.loads(many.out)
    assert document["outcomes"]["ok"] == 5
    assert document["run"]["spec"]["plugins"] == {"echo": "echo-provider 1.0"}


def test_x13_an_unnamed_plugin_is_not_loaded(tmp_path: pathlib.Path, site: pathlib.Path) -> None:
    """X13: installed is not asked for: its module must not even run."""
    (site / "echo_provider" / "__init__.py").write_text("raise SystemExit('imported')\n")
    found = lll("profile", "echo:any", "-p", "x", cwd=tmp_path, env=with_site(site))
    assert found.code == 2
    assert "unknown provider 'echo'" in found.err


@pytest.mark.parametrize(
    ("plugins", "module", "words"),
    [
        ('["ecko"]', None, "no plugin 'ecko' is installed; did you mean 'echo'"),
        ('["echo"]', "raise RuntimeError('boom')", "can't be loaded: RuntimeError: boom"),
        ('["echo"]', "PROVIDER = 3", "is no Provider"),
        (
            '["echo"]',
            "from llm_latency_lens.providers.provider import PROVIDERS\nPROVIDER = PROVIDERS['openai']",
            "is built in",
        ),
    ],
)
def test_a_wrong_plugin_is_one_line(
    tmp_path: pathlib.Path, site: pathlib.Path, plugins: str, module: str | None, words: str
) -> None:
    """What it is, and what to do."""
    if module is not None:
        (site / "echo_provider" / "__init__.py").write_text(module + "\n")
    (tmp_path / "llm-latency-lens.toml").write_text(f"plugins = {plugins}\n")
    found = lll("profile", "echo:any", "-p", "x", cwd=tmp_path, env=with_site(site))
    assert (found.code, found.out) == (2, "")
    assert words in found.err


def test_the_examples_own_test_passes(site: pathlib.Path) -> None:
    """As its author would run it."""
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:cacheprovider",
            "-c",
            os.devnull,
            str(EXAMPLE / "tests"),
        ],
        env={**os.environ, **with_site(site)},
        cwd=site,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert "2 passed" in done.stdout
