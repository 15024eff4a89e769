"""The set-up by plain pip and by uv: from the lock alone, whatever the environment says.

Installs from the package index, so it runs only where LLL_REQUIRE_REAL is set, as in CI.
"""

import os
import pathlib
import shutil
import subprocess
import sys
import zipfile

import pytest
from packaging.requirements import Requirement

ROOT = pathlib.Path(__file__).resolve().parents[2]
UV = shutil.which("uv", path=f"{os.environ['PATH']}:{ROOT / '.venv-ci/bin'}")
"""On the PATH, or where `.ci/run` installs it."""

WHEEL = {
    "METADATA": "Metadata-Version: 2.1\nName: click\nVersion: {}\n",
    "WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    "RECORD": "",
}
"""The files of a wheel that holds nothing, with a place for the version."""

pytestmark = pytest.mark.skipif(
    not os.environ.get("LLL_REQUIRE_REAL"), reason="installs from the index; set LLL_REQUIRE_REAL=1"
)


@pytest.fixture
def project(tmp_path: pathlib.Path) -> pathlib.Path:
    """A copy of what an installation needs."""
    for name in ("src", "requirements"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tmp_path)
    return tmp_path


def without_uv(folder: pathlib.Path) -> str:
    """A PATH with every command of ours but uv."""
    folder.mkdir()
    for directory in reversed(os.environ["PATH"].split(":")):
        for path in pathlib.Path(directory).glob("*") if directory else ():
            link = folder / path.name
            link.unlink(missing_ok=True)
            if path.name not in {"uv", "uvx"}:
                link.symlink_to(path)
    return str(folder)


def hostile(folder: pathlib.Path, version: str) -> dict[str, str]:
    """Settings made for other projects: a constraint, and wheels that were published later."""
    folder.mkdir()
    (folder / "constraints.txt").write_text("click<2\n")
    for claimed in (version, "99.0"):
        with zipfile.ZipFile(folder / f"click-{claimed}-py3-none-any.whl", "w") as wheel:
            for name, text in WHEEL.items():
                wheel.writestr(f"click-{claimed}.dist-info/{name}", text.format(claimed))
    constraint = str(folder / "constraints.txt")
    return {
        "PIP_FIND_LINKS": str(folder),
        "UV_FIND_LINKS": str(folder),
        "PIP_CONSTRAINT": constraint,
        "UV_CONSTRAINT": constraint,
        "PIP_USER": "1",
        "PIP_NO_BINARY": ":all:",
        "UV_NO_BINARY": "1",
    }


def install(project: pathlib.Path, path: str, env: dict[str, str]) -> None:
    """Run the set-up as make does."""
    command = ["sh", "requirements/install.sh", sys.executable, ".venv", "base"]
    clean = {key: value for key, value in os.environ.items() if key != "VIRTUAL_ENV"}
    subprocess.run(command, cwd=project, env={**clean, "PATH": path, **env}, check=True)


def versions(project: pathlib.Path) -> dict[str, str]:
    """What is installed, by name."""
    script = (
        "import importlib.metadata as m;"
        "print(*(f'{d.name} {d.version}' for d in m.distributions()), sep='\\n')"
    )
    found = subprocess.run(
        [str(project / ".venv/bin/python"), "-c", script],
        check=True,
        capture_output=True,
        text=True,
    )
    pairs = (line.split() for line in found.stdout.splitlines())
    return {name.lower().replace("_", "-"): version for name, version in pairs}


def click_version() -> str:
    """The locked version of click."""
    lock = (ROOT / "requirements/base.lock").read_text().splitlines()
    line = next(line for line in lock if line.startswith("click=="))
    (pin,) = Requirement(line.removesuffix(" \\")).specifier
    return pin.version


@pytest.mark.parametrize("way", ["pip", "uv"])
def test_the_lock_alone_decides(way: str, project: pathlib.Path, tmp_path: pathlib.Path) -> None:
    """Constraints, later releases, forged wheels and a broken environment change nothing."""
    path = without_uv(tmp_path / "bin")
    if way == "uv":
        assert UV, "uv is required: .ci/run installs it into .venv-ci"
        path = f"{pathlib.Path(UV).parent}:{path}"
    (project / ".venv/bin").mkdir(parents=True)
    (project / ".venv/bin/python").symlink_to("/nowhere/python3")
    install(project, path, hostile(tmp_path / "hostile", click_version()))
    found = versions(project)
    assert found["click"] == click_version()
    assert found["llm-latency-lens"]
    made_by_uv = "uv = " in (project / ".venv/pyvenv.cfg").read_text()
    assert made_by_uv is (way == "uv")
    command = [str(project / ".venv/bin/llm-latency-lens"), "--help"]
    assert subprocess.run(command, check=True, capture_output=True).stdout


def test_plain_pip_takes_over_an_environment_that_uv_made(
    project: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    """What uv makes has no pip; on a machine without uv the same folder works all the same."""
    assert UV, "uv is required: .ci/run installs it into .venv-ci"
    path = without_uv(tmp_path / "bin")
    install(project, f"{pathlib.Path(UV).parent}:{path}", {})
    first = versions(project)
    install(project, path, {})
    again = versions(project)
    assert {name: again[name] for name in first} == first
