#!/bin/sh
# Usage: install.sh PYTHON VENV base|dev. Installs the locked set and the project (editable) into VENV.
set -eu
python=$1 venv=$2 set=$3
lock=requirements/$set.lock
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
  echo "make: $("$python" --version) is too old: Python 3.11 or newer is needed (make PYTHON=python3.12 ...)" >&2
  exit 2
}
echo "setting up $venv ($set)" >&2
if command -v uv >/dev/null 2>&1; then
  [ -x "$venv/bin/python" ] || uv venv -q -p "$python" "$venv"
  uv pip install -q -p "$venv/bin/python" --require-hashes -r "$lock"
  uv pip install -q -p "$venv/bin/python" --no-deps --no-build-isolation -e .
else
  # One that uv made has no pip: it is made anew.
  "$venv/bin/python" -m pip --version >/dev/null 2>&1 || "$python" -m venv --clear "$venv"
  "$venv/bin/python" -m pip install -q --disable-pip-version-check --require-hashes -r "$lock"
  "$venv/bin/python" -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .
fi
touch "$venv/.base"
[ "$set" = base ] || touch "$venv/.dev"
