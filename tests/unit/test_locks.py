"""The lock files: complete with extras, pinned with hashes, and the same versions in both."""

import importlib.metadata
import pathlib
import re
import tomllib

import pytest
from msgspec import Struct
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
WANTED = {
    "base": [*PROJECT["project"]["dependencies"], *PROJECT["dependency-groups"]["build"]],
    "dev": [
        *PROJECT["project"]["dependencies"],
        *PROJECT["dependency-groups"]["build"],
        *PROJECT["dependency-groups"]["dev"],
    ],
}


class Pin(Struct, frozen=True):
    """One locked package."""

    version: str
    extras: frozenset[str]
    applies: bool
    hashes: int


def locked(name: str) -> dict[str, Pin]:
    """The packages of a lock file by their canonical name."""
    text = (ROOT / f"requirements/{name}.lock").read_text(encoding="utf-8")
    pins: dict[str, Pin] = {}
    for block in re.split(r"\n(?=\S)", text.replace(" \\\n", "\n")):
        if block.startswith("#") or not block.strip():
            continue
        requirement = Requirement(block.splitlines()[0])
        (pin,) = requirement.specifier
        assert pin.operator == "==", block
        applies = requirement.marker is None or requirement.marker.evaluate()
        pins[canonicalize_name(requirement.name)] = Pin(
            pin.version, frozenset(requirement.extras), applies, block.count("--hash=sha256:")
        )
    return pins


def unmet(requirements: list[str], pins: dict[str, Pin], extras: frozenset[str]) -> list[str]:
    """The requirements that apply here and that no pin satisfies, extras included."""
    missing = []
    for text in requirements:
        wanted = Requirement(text)
        marker = wanted.marker
        if marker and not any(marker.evaluate({"extra": extra}) for extra in extras or {""}):
            continue
        pin = pins.get(canonicalize_name(wanted.name))
        if (
            pin is None
            or pin.version not in wanted.specifier
            or not {canonicalize_name(e) for e in wanted.extras}
            <= {canonicalize_name(e) for e in pin.extras}
        ):
            missing.append(text)
    return missing


@pytest.mark.parametrize("name", WANTED)
def test_a_lock_holds_everything_that_the_project_asks_for(name: str) -> None:
    """With extras, and with the build backend that an editable install without isolation needs."""
    pins = locked(name)
    assert unmet(WANTED[name], pins, frozenset()) == []
    assert unmet(PROJECT["build-system"]["requires"], pins, frozenset()) == []


@pytest.mark.parametrize("name", WANTED)
def test_a_lock_holds_what_its_packages_ask_for(name: str) -> None:
    """Every dependency of every locked package, with its extras: nothing is left to resolve."""
    pins = locked(name)
    assert len(pins) > 10
    for package, pin in pins.items():
        if pin.applies:
            requires = importlib.metadata.requires(package) or []
            assert unmet(requires, pins, pin.extras | {""}) == [], package


@pytest.mark.parametrize("name", WANTED)
def test_every_pin_has_its_hashes(name: str) -> None:
    """A file that is published later under the same version is none of them."""
    assert all(pin.hashes for pin in locked(name).values())


def test_both_locks_hold_the_same_versions() -> None:
    """`make test` after `make demo` changes no version of what was installed."""
    base, dev = locked("base"), locked("dev")
    assert {name: pin.version for name, pin in base.items()}.items() <= {
        name: pin.version for name, pin in dev.items()
    }.items()


def test_a_lock_that_drops_an_extra_is_found() -> None:
    """The check above sees what broke installs once: `pkg[extra]` wanted, `pkg` locked."""
    pin = Pin("2.0", frozenset(), applies=True, hashes=1)
    assert unmet(["pkg[more]>=1"], {"pkg": pin}, frozenset()) == ["pkg[more]>=1"]
    assert unmet(["pkg>=3"], {"pkg": pin}, frozenset()) == ["pkg>=3"]
    assert unmet(["pkg>=1; extra == 'x'"], {}, frozenset({"x", ""})) == ["pkg>=1; extra == 'x'"]
    assert unmet(["pkg>=1; extra == 'x'"], {}, frozenset({""})) == []
