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

_STAMP = "complete.json"
"""Written last, with the environment that it describes; without it all is made anew."""


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
    """

    name: str
    packages: tuple[str, ...] = ()
    wheel: str = ""
    unpacked: str = ""
    oldest: tuple[int, int] = (3, 11)
    script: str = ""


def interpreter(home: pathlib.Path, name: str) -> pathlib.Path:
    """Return the Python of the environment of that name."""
    return home / name / "venv/bin/python"


def make(environment: Environment, home: pathlib.Path, downloader: pathlib.Path) -> bool:
    """Make an environment unless it is complete; return whether there was anything to do.

    `downloader` is a Python that has pip, for wheels that are only unpacked.

    Raises:
        SetupError: a step failed. The folder has no stamp then, and the next call starts anew.
    """
    folder = home / environment.name
    stamp, content = folder / _STAMP, msgspec.json.encode(environment)
    if stamp.exists() and stamp.read_bytes() == content:
        return False
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    if environment.packages:
        _install(environment, folder / "venv")
    if environment.wheel:
        _unpack(environment, folder, downloader)
    if environment.script:
        script = pathlib.Path(__file__).parent / "runners" / environment.script
        _run([str(folder / "venv/bin/python"), str(script), str(home)])
    stamp.write_bytes(content)
    return True


def _install(environment: Environment, venv: pathlib.Path) -> None:
    python, uv = _python(environment.oldest), shutil.which("uv")
    interpreter = str(venv / "bin/python")
    if uv:
        _run([uv, "venv", "-q", "--python", python, str(venv)])
        _run([uv, "pip", "install", "-q", "--python", interpreter, *environment.packages])
    else:
        _run([python, "-m", "venv", str(venv)])
        _run([interpreter, "-m", "pip", "install", "-q", *environment.packages])


def _unpack(environment: Environment, folder: pathlib.Path, downloader: pathlib.Path) -> None:
    download = [str(downloader), "-m", "pip", "download", "-q", "--no-deps", "-d", str(folder)]
    _run([*download, environment.wheel])
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = fnmatch.filter(archive.namelist(), environment.unpacked)
        archive.extractall(folder / "src", names)
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
            works = subprocess.run([path, "-c", "import venv"], check=False, capture_output=True)
            if works.returncode == 0:
                return path
    raise SetupError(f"it needs Python {oldest[0]}.{oldest[1]} or newer, and there is none")


def _run(command: Sequence[str]) -> None:
    try:
        subprocess.run(command, check=True, capture_output=True, text=True)
    except (OSError, subprocess.CalledProcessError) as error:
        said = (getattr(error, "stderr", "") or str(error)).strip().splitlines()
        raise SetupError(f"{' '.join(command[:4])}: {said[-1] if said else error}") from error
