"""X1, X2: a key of every provider goes through every command and every error, and is found nowhere."""

import base64
import pathlib
from collections.abc import Iterator
from urllib.parse import quote

import pytest
from tests.support.command import eventually, in_turn, lll, start
from tests.support.hostile import fin, hostile, request, send

from llm_latency_lens.simulator.fault import parse_fault
from llm_latency_lens.simulator.latency import parse_latency
from llm_latency_lens.simulator.process import SimulatorProcess
from llm_latency_lens.simulator.spec import SimulatorSpec

CANARY = "sk-canary/0123456789+abcdef=="
PROMPT = "prompt-canary-98765 says hello"
REPLY = " quick brown fox"
PROVIDERS = {
    "openai": ("/v1", "OPENAI_API_KEY"),
    "openai-responses": ("/v1", "OPENAI_API_KEY"),
    "openai-embeddings": ("/v1", "OPENAI_API_KEY"),
    "anthropic": ("/v1", "ANTHROPIC_API_KEY"),
    "gemini": ("/v1beta", "GEMINI_API_KEY"),
    "vertex": ("/v1", "GOOGLE_OAUTH_ACCESS_TOKEN"),
    "bedrock": ("", "AWS_BEARER_TOKEN_BEDROCK"),
    "azure": ("", "AZURE_OPENAI_API_KEY"),
    "cohere": ("/v2", "COHERE_API_KEY"),
    "ollama": ("", "OLLAMA_API_KEY"),
    "mistral": ("/mistral/v1", "MISTRAL_API_KEY"),
}
ALWAYS = {"LLL_DEBUG": "1", "GOOGLE_CLOUD_PROJECT": "p", "AWS_REGION": "us-east-1"}


def forms(secret: str) -> list[bytes]:
    """A secret raw, URL-encoded, and in base64 at each alignment (what its neighbours decide cut off)."""
    found = [secret.encode(), quote(secret, safe="").encode()]
    for shift in range(3):
        encoded = base64.b64encode(b"x" * shift + secret.encode())
        found.append(encoded[4:-6])
    return found


def leaks(secret: str, folder: pathlib.Path, *texts: str) -> list[str]:
    """Where the secret is, in what was printed and in every file of a folder."""
    places = {f"text {i}": text.encode() for i, text in enumerate(texts)}
    places |= {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    return [where for where, data in places.items() if any(form in data for form in forms(secret))]


def server(*faults: str, tokens: int = 6) -> SimulatorProcess:
    """A quick simulator."""
    return SimulatorProcess(
        SimulatorSpec(
            ttft=parse_latency("5ms"),
            itl=parse_latency("1ms"),
            tokens=tokens,
            faults=tuple(parse_fault(text) for text in faults),
        )
    )


@pytest.fixture(scope="module")
def echoing() -> Iterator[SimulatorProcess]:
    """A server that answers every second request with the key in its error."""
    with server("echo-key@every=2") as process:
        yield process


@pytest.mark.parametrize("provider", PROVIDERS)
def test_x1_x2_no_command_shows_a_key(
    tmp_path: pathlib.Path, echoing: SimulatorProcess, provider: str
) -> None:
    """X1, X2: profile, benchmark, stored raw, shown, reinterpreted, recovered, priced, validated, listed."""
    path, variable = PROVIDERS[provider]
    env = {**ALWAYS, variable: CANARY}
    target = [f"{provider}:sim", "--base-url", echoing.address + path]
    ask = ["-p", PROMPT]
    commands = [
        ["profile", *target, *ask],
        ["profile", *target, *ask, "--json"],
        ["benchmark", *target, *ask, "-n", "6", "--save-raw", "--json"],
        ["runs", "show", "last"],
        ["reinterpret", "last", "--json"],
        ["runs", "recover", "last"],
        ["runs", "list", "--json"],
        ["cost", "--run", "last"],
        ["validate", *target, "--live"],
        ["providers", "--json"],
        ["profile", f"{provider}:sim", "--base-url", "http://127.0.0.1:9", *ask],
        ["profile", f"{provider}:sim", "--base-url", f"https://127.0.0.1:{echoing.port}", *ask],
        ["benchmark", *target, *ask, "--rate", "0/s"],
        ["benchmark", *target, *ask, "--goodput", "nonsense"],
    ]
    printed = []
    for words, found in zip(commands, in_turn(*commands, cwd=tmp_path, env=env), strict=True):
        assert found.code in {0, 1, 2, 3, 4, 5}, (words, found.err)
        assert "Traceback" not in found.err, found.err
        printed += [found.out, found.err]
    assert any("***" in text for text in printed)
    assert leaks(CANARY, tmp_path, *printed) == []


@pytest.mark.parametrize("provider", ["openai", "anthropic", "gemini"])
def test_x1_a_bad_key_is_refused_unseen(tmp_path: pathlib.Path, provider: str) -> None:
    """X1: one with a blank in it is not repeated."""
    found = lll(
        "profile",
        f"{provider}:m",
        "-p",
        "x",
        cwd=tmp_path,
        env={PROVIDERS[provider][1]: f"{CANARY} x"},
    )
    assert found.code == 2
    assert leaks(CANARY, tmp_path, found.out, found.err) == []


def test_x1_aws_keys_are_nowhere(tmp_path: pathlib.Path, echoing: SimulatorProcess) -> None:
    """X1: the secret, the access key and the session token, signed and raw recordings kept."""
    env = {
        **ALWAYS,
        "AWS_ACCESS_KEY_ID": "AKIACANARY0123456789",
        "AWS_SECRET_ACCESS_KEY": CANARY,
        "AWS_SESSION_TOKEN": "session-canary-0123456789",
    }
    words = ["bedrock:sim", "--base-url", echoing.address, "-p", "x"]
    one = lll("profile", *words, "--json", cwd=tmp_path, env=env)
    many = lll("benchmark", *words, "-n", "4", "--save-raw", "--json", cwd=tmp_path, env=env)
    assert many.code in {0, 4}, many.err
    for secret in (CANARY, "AKIACANARY0123456789", "session-canary-0123456789"):
        assert leaks(secret, tmp_path, one.out, one.err, many.out, many.err) == []


def test_x1_keys_in_files_headers_and_commands_are_secrets_too(
    tmp_path: pathlib.Path, echoing: SimulatorProcess
) -> None:
    """X1: wherever a key is kept, and in a header of one's own."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "key").write_text(CANARY)
    inside = tmp_path / "inside"
    inside.mkdir()
    printed = []
    for source in (f'{{file = "{outside}/key"}}', f'{{command = "cat {outside}/key"}}'):
        (inside / "llm-latency-lens.toml").write_text(
            f'[targets.a]\nmodel = "openai:sim"\nbase_url = "{echoing.base_url}"\nkey = {source}\n'
        )
        for command in (
            ["profile", "a", "-p", "x"],
            ["benchmark", "a", "-p", "x", "-n", "4", "--json"],
        ):
            found = lll(*command, cwd=inside, env=ALWAYS)
            assert "***" in found.out or command[0] == "profile", found
            printed += [found.out, found.err]
    (inside / "llm-latency-lens.toml").unlink()
    words = ["benchmark", "openai:sim", "--base-url", echoing.base_url, "-p", "x", "-n", "4"]
    named = lll(*words, "--header", "X-Api-Key: env:TEAM_KEY", cwd=inside, env={"TEAM_KEY": CANARY})
    assert named.code in {0, 4}, named.err
    written = lll(*words, "--header", f"Authorization: Bearer {CANARY}", cwd=inside)
    assert written.code == 2
    assert leaks(CANARY, inside, *printed, named.out, named.err, written.out, written.err) == []


def test_x1_no_process_has_a_key_in_its_arguments_or_environment(tmp_path: pathlib.Path) -> None:
    """X1: neither ours nor any worker's command line, nor a worker's environment."""
    with server(tokens=1000) as slow:
        words = [
            "benchmark",
            "openai:sim",
            "--base-url",
            slow.base_url,
            "-p",
            "x",
            "-n",
            "4",
            "-c",
            "4",
            "--workers",
            "2",
        ]
        with start(*words, cwd=tmp_path, env={"OPENAI_API_KEY": CANARY}) as process:
            eventually(lambda: len(workers_of(process.pid)) == 2)
            workers = workers_of(process.pid)
            lines = [
                pathlib.Path(f"/proc/{pid}/cmdline").read_bytes() for pid in (process.pid, *workers)
            ]
            environments = [pathlib.Path(f"/proc/{pid}/environ").read_bytes() for pid in workers]
            process.terminate()
            process.communicate(timeout=30)
    assert len(lines) == 3
    for data in (*lines, *environments):
        assert not any(form in data for form in forms(CANARY))
    assert all(b"PATH=" in data for data in environments)


def workers_of(pid: int) -> list[int]:
    """The measuring processes whose parent is `pid`, once they are themselves."""
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                stat, words = (entry / "stat").read_text(), (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if int(stat.rpartition(")")[2].split()[1]) == pid and b"runner.worker" in words:
                found.append(int(entry.name))
    return found


@pytest.mark.parametrize("keep", [False, True])
def test_x14_prompts_and_replies_are_kept_only_when_asked(
    tmp_path: pathlib.Path, echoing: SimulatorProcess, *, keep: bool
) -> None:
    """X14: hash and length alone; with --save-raw the bytes. Folders 0700, files 0600."""
    words = [
        "benchmark",
        "openai:sim",
        "--base-url",
        echoing.base_url,
        f"--prompt={PROMPT}",
        "-n",
        "4",
    ]
    found = lll(*words, "--system", PROMPT, *(["--save-raw"] if keep else []), cwd=tmp_path)
    assert found.code in {0, 4}, found.err
    kept = leaks(PROMPT, tmp_path) + leaks(REPLY, tmp_path)
    assert bool(kept) == keep
    for path in (tmp_path / "lll-runs").rglob("*"):
        assert path.stat().st_mode & 0o777 == (0o700 if path.is_dir() else 0o600), path
    assert (
        f"{len(PROMPT)} characters"
        in "".join(path.read_text() for path in tmp_path.rglob("header.json"))
        or keep
    )


def test_x15_a_peers_line_breaks_and_colours_reach_no_output(tmp_path: pathlib.Path) -> None:
    """X10, X15: an error message with CR, LF and escape sequences is one harmless line everywhere."""
    body = b'{"error": {"message": "first\\r\\nforged: line\\u001b[31m\\u001b]8;;http://x\\u0007"}}'
    head = b"HTTP/1.1 500 Oops\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: %d\r\n\r\n"
    with hostile(request(), send(head % len(body) + body), fin()) as peer:
        words = ["openai:m", "--base-url", f"http://127.0.0.1:{peer.port}/v1", "-p", "x"]
        one = lll("profile", *words, cwd=tmp_path)
        many = lll("benchmark", *words, "-n", "3", cwd=tmp_path)
    texts = [one.out, one.err, many.out, many.err]
    texts += [path.read_text() for path in tmp_path.rglob("*.jsonl")]
    assert any("first forged: line" in text for text in texts)
    for text in texts:
        assert "\x1b" not in text
        assert "\nforged" not in text
        assert "\\u001b" not in text


def test_x15_a_header_can_not_be_split(tmp_path: pathlib.Path) -> None:
    """X15: ours neither: a line break in --header is refused."""
    words = ["profile", "openai:m", "--base-url", "http://127.0.0.1:9", "-p", "x"]
    found = lll(*words, "--header", "X-A: b\r\nX-C: d", cwd=tmp_path)
    assert found.code == 2
    assert "no header has" in found.err
