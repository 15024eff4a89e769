#!/bin/sh
# Usage: install.sh PYTHON VENV base|dev
# Installs the locked set and the project (editable) into VENV.
#
# Nothing but the lock decides what is installed: every file has its hash there, dependencies are
# not resolved again, nothing is built from source, and constraints or targets that the environment
# or a configuration file sets for other projects do not apply. Where files come from (index, proxy,
# certificates) is the user's own setting.
set -eu
python=$1 venv=$2 set=$3
lock=requirements/$set.lock
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
  echo "make: $("$python" --version) is too old: Python 3.11 or newer is needed" \
    "(make PYTHON=python3.12 ...)" >&2
  exit 2
}
echo "setting up $venv ($set)" >&2
# An empty file overrides what a configuration file says; an unset variable would not.
export PIP_CONSTRAINT=/dev/null PIP_BUILD_CONSTRAINT=/dev/null PIP_USER=0
unset PIP_TARGET PIP_PREFIX PIP_ROOT PIP_REQUIREMENT PIP_NO_BINARY PIP_DRY_RUN
unset UV_CONSTRAINT UV_OVERRIDE UV_BUILD_CONSTRAINT UV_NO_BINARY UV_EXCLUDE_NEWER
locked="--no-deps --require-hashes --only-binary :all: -r $lock"
project="--no-deps --no-build-isolation -e ."

# The folder is made anew where it is half-made or its Python is gone.
usable() { [ -x "$venv/bin/python" ] && "$venv/bin/python" "$@" >/dev/null 2>&1; }
fresh() { [ ! -e "$venv" ] || rm -rf "$venv"; }
if command -v uv >/dev/null 2>&1; then
  usable -c '' || { fresh && uv venv -q -p "$python" "$venv"; }
  install() { uv pip install -q -p "$venv/bin/python" "$@"; }
  check() { uv pip check -q -p "$venv/bin/python"; }
else
  # An environment that uv made has no pip.
  usable -m pip --version || { fresh && "$python" -m venv "$venv"; }
  install() { "$venv/bin/python" -m pip install -q --disable-pip-version-check "$@"; }
  check() { "$venv/bin/python" -m pip check -q --disable-pip-version-check; }
fi
# shellcheck disable=SC2086 # words are meant
install $locked
# shellcheck disable=SC2086
install $project
check
touch "$venv/.base"
[ "$set" = base ] || touch "$venv/.dev"
