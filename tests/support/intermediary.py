"""Real programs between client and server: nginx, HAProxy and mitmproxy, each as a child process.

Every row of `INTERMEDIARIES` starts one with a configuration that buffers a stream or passes it on.
"""

import contextlib
import os
import pathlib
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator

from msgspec import Struct
from tests.support.command import eventually

_NGINX = """\
daemon off;
master_process off;
pid {folder}/pid;
error_log stderr error;
events {{ worker_connections 512; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  server {{
    listen 127.0.0.1:{port};
    location / {{
      proxy_pass http://127.0.0.1:{upstream};
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_buffering {setting};
    }}
  }}
}}
"""
_HAPROXY = """\
defaults
  mode http
  {setting}
  timeout connect 5s
  timeout client 30s
  timeout server 30s
listen proxy
  bind 127.0.0.1:{port}
  server upstream 127.0.0.1:{upstream}
"""


class Intermediary(Struct, frozen=True, kw_only=True):
    """A program with one setting: `command` gets it, the folder, its port and the upstream's."""

    program: str
    setting: str
    command: Callable[[str, pathlib.Path, int, int], list[str]]


def _nginx(setting: str, folder: pathlib.Path, port: int, upstream: int) -> list[str]:
    config = folder / "nginx.conf"
    config.write_text(_NGINX.format(setting=setting, folder=folder, port=port, upstream=upstream))
    return [program("nginx") or "nginx", "-p", str(folder), "-e", "stderr", "-c", str(config)]


def _haproxy(setting: str, folder: pathlib.Path, port: int, upstream: int) -> list[str]:
    config = folder / "haproxy.cfg"
    config.write_text(_HAPROXY.format(setting=setting, port=port, upstream=upstream))
    return [program("haproxy") or "haproxy", "-db", "-f", str(config)]


def _mitmproxy(setting: str, folder: pathlib.Path, port: int, upstream: int) -> list[str]:
    return [
        program("mitmdump") or "mitmdump",
        *("--mode", f"reverse:http://127.0.0.1:{upstream}"),
        *("--listen-host", "127.0.0.1", "--listen-port", str(port), "--quiet"),
        *("--set", f"confdir={folder}", *setting.split()),
    ]


INTERMEDIARIES: dict[str, Intermediary] = {
    "nginx, proxy_buffering on": Intermediary(program="nginx", setting="on", command=_nginx),
    "nginx, proxy_buffering off": Intermediary(program="nginx", setting="off", command=_nginx),
    "haproxy": Intermediary(program="haproxy", setting="", command=_haproxy),
    "haproxy, option http-no-delay": Intermediary(
        program="haproxy", setting="option http-no-delay", command=_haproxy
    ),
    "mitmproxy": Intermediary(program="mitmdump", setting="", command=_mitmproxy),
    "mitmproxy, stream_large_bodies": Intermediary(
        program="mitmdump", setting="--set stream_large_bodies=1", command=_mitmproxy
    ),
}
"""Each with the setting under which it holds streams back or passes them on."""


def program(name: str) -> str | None:
    """The path of a program, on the PATH or in sbin; None where it is missing."""
    return shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin")


@contextlib.contextmanager
def between(name: str, upstream: int) -> Iterator[str]:
    """Run an intermediary in front of a local port; yields the base URL of its OpenAI API."""
    row = INTERMEDIARIES[name]
    with tempfile.TemporaryDirectory(prefix="lll-between-") as path:
        folder = pathlib.Path(path)
        port = _free_port()
        command = row.command(row.setting, folder, port, upstream)
        with (
            (folder / "log").open("w") as log,
            subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log) as process,
        ):
            try:
                eventually(lambda: process.poll() is not None or _listens(port))
                if process.poll() is not None:
                    raise RuntimeError(f"{command[0]}: {(folder / 'log').read_text()[-500:]}")
                yield f"http://127.0.0.1:{port}/v1"
            finally:
                process.terminate()
                try:
                    process.wait(5)
                except subprocess.TimeoutExpired:
                    process.kill()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True
