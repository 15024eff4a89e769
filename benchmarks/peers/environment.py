"""The peers' environments: each made once, and made anew where it is half-made or out of date.

`python -m venv` and pip, or uv where it is installed; the project's own environment needs neither.
"""

import fnmatch
import os
import pathlib
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Sequence

import msgspec
from msgspec import Struct

from benchmarks.peers.tree import run_on

_STAMP = "complete.json"
"""Written last, with the environment that it describes; without it all is made anew."""
_LIMIT = 2400.0
"""Seconds that a step of a set-up may take; some download gigabytes."""
_OURS = dict.fromkeys(
    ("PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "PIP_REQUIREMENT", "PIP_NO_BINARY"), ""
) | {"PIP_USER": "0", "PIP_DRY_RUN": "0"}
"""Where pip puts things is not the user's setting here; where it takes them from is."""


class SetupError(Exception):
    """An environment could not be made; the message says which step failed, and how it ended."""


class Environment(Struct, frozen=True, kw_only=True):
    """A folder with what a peer runs.

    Attributes:
        name: of the folder.
        packages: what is installed into its virtual environment; () for none.
        wheel: a requirement whose wheel is only unpacked: installed, it would bring a GPU stack.
        unpacked: the pattern of the files that are taken out of the wheel.
        oldest: the oldest Python it runs with, as (major, minor).
        script: a script of this package, run in it last with the folder of all environments.
        makes: what the script leaves in that folder.
    """

    name: str
    packages: tuple[str, ...] = ()
    wheel: str = ""
    unpacked: str = ""
    oldest: tuple[int, int] = (3, 11)
    script: str = ""
    makes: tuple[str, ...] = ()


def interpreter(home: pathlib.Path, name: str) -> pathlib.Path:
    """Return the Python of the environment of that name."""
    return home / name / "venv/bin/python"


def make(
    environment: Environment, home: pathlib.Path, downloader: pathlib.Path, limit: float = _LIMIT
) -> bool:
    """Make an environment unless it is complete; return whether there was anything to do.

    `downloader` is a Python that has pip, for wheels that are only unpacked; `limit` is how many
    seconds a step may take.

    Raises:
        SetupError: a step failed. The folder has no stamp then, and the next call starts anew.
    """
    if _complete(environment, home):
        return False
    folder = home / environment.name
    if folder.is_symlink() or folder.is_file():
        folder.unlink()
    elif folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    if environment.packages:
        _install(environment, folder / "venv", limit)
    if environment.wheel:
        _unpack(environment, folder, downloader, limit)
    if environment.script:
        script = pathlib.Path(__file__).parent / "runners" / environment.script
        command = [str(folder / "venv/bin/python"), str(script), str(home)]
        _run(environment.script, command, limit)
    (folder / _STAMP).write_bytes(_content(environment, home))
    return True


def _content(environment: Environment, home: pathlib.Path) -> bytes:
    """What the stamp says: its commands name its folder, so elsewhere it is another one."""
    return msgspec.json.encode((environment, str(home)))


def _complete(environment: Environment, home: pathlib.Path) -> bool:
    """Whether the stamp is this environment's, and what the stamp stands for is still there."""
    folder = home / environment.name
    stamp = folder / _STAMP
    if not stamp.exists() or stamp.read_bytes() != _content(environment, home):
        return False
    needed = [home / name for name in environment.makes]
    if environment.wheel:
        needed.append(folder / "src")
    if not all(path.exists() for path in needed):
        return False
    return not environment.packages or _starts(str(folder / "venv/bin/python"))


def _install(environment: Environment, venv: pathlib.Path, limit: float) -> None:
    python, uv = _python(environment.oldest), shutil.which("uv")
    own = str(venv / "bin/python")
    if uv:
        _run("uv venv", [uv, "venv", "-q", "--python", python, str(venv)], limit)
        command = [uv, "pip", "install", "-q", "--python", own, *environment.packages]
        _run("uv pip install", command, limit)
    else:
        _run("python -m venv", [python, "-m", "venv", str(venv)], limit)
        command = [own, "-m", "pip", "install", "-q", *environment.packages]
        _run("pip install", command, limit)


def _unpack(
    environment: Environment, folder: pathlib.Path, downloader: pathlib.Path, limit: float
) -> None:
    download = [str(downloader), "-m", "pip", "download", "-q", "--only-binary", ":all:"]
    command = [*download, "--no-deps", "-d", str(folder), environment.wheel]
    _run(f"pip download {environment.wheel}", command, limit)
    (wheel,) = folder.glob("*.whl")
    try:
        with zipfile.ZipFile(wheel) as archive:
            names = fnmatch.filter(archive.namelist(), environment.unpacked)
            archive.extractall(folder / "src", names)
    except zipfile.BadZipFile as error:
        raise SetupError(f"{wheel.name}: {error}") from error
    if not names:
        raise SetupError(f"{wheel.name} holds nothing like {environment.unpacked}")
    wheel.unlink()


def _python(oldest: tuple[int, int]) -> str:
    """A Python of that age or newer: ours, one on the PATH, or one of pyenv's."""
    if sys.version_info >= oldest:
        return sys.executable
    versions = pathlib.Path(os.environ.get("PYENV_ROOT", "~/.pyenv")).expanduser() / "versions"
    for minor in range(oldest[1], oldest[1] + 4):
        name = f"python{oldest[0]}.{minor}"
        known = shutil.which(name)
        for path in [*([known] if known else []), *map(str, versions.glob(f"*/bin/{name}"))]:
            if _starts(path, "import venv"):
                return path
    raise SetupError(f"it needs Python {oldest[0]}.{oldest[1]} or newer, and there is none")


def _starts(python: str, code: str = "") -> bool:
    try:
        return (
            subprocess.run([python, "-c", code], check=False, capture_output=True).returncode == 0
        )
    except OSError:
        return False


def _run(step: str, command: Sequence[str], limit: float) -> None:
    try:
        taken = run_on(None, command, _OURS, limit)
    except OSError as error:
        raise SetupError(f"{step}: {error.strerror}: {pathlib.Path(command[0]).name}") from error
    if taken.code:
        raise SetupError(f"{step}: {taken.reason}")
