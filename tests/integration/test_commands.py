"""The commands as people type them: what they print where, and what wrong input gets."""

import json
import pathlib

import pytest
from tests.integration.test_transport_tls import Pki
from tests.support.bounded_server import Behaviour, BoundedServer
from tests.support.command import in_turn, lll, start
from tests.support.hostile import fin, hostile, request, send, silence

from llm_latency_lens.simulator.latency import parse_latency
from llm_latency_lens.simulator.process import SimulatorProcess
from llm_latency_lens.simulator.spec import SimulatorSpec

QUICK = SimulatorSpec(ttft=parse_latency("20ms"), itl=parse_latency("2ms"), tokens=8)
CANARY = "sk-canary-0123456789abcdef"
NOWHERE = "http://127.0.0.1:9/v1"


def test_profile_shows_the_anatomy(tmp_path: pathlib.Path) -> None:
    """Every phase of the waterfall, tokens, network, server."""
    with SimulatorProcess(QUICK) as simulator:
        found = lll(
            "profile", "openai:sim", "--base-url", simulator.base_url, "-p", "Hi", cwd=tmp_path
        )
    assert found.code == 0
    for word in (
        "TCP",
        "upload",
        "first byte",
        "first event",
        "first token",
        "last token",
        "end",
        "TTFT",
        "TPOT",
        "network round trip",
        "stamped by the kernel",
        "new, ipv4",
    ):
        assert word in found.out
    assert "\x1b" not in found.out
    assert found.err == ""


def test_profile_says_what_the_answer_leaves_in_doubt(tmp_path: pathlib.Path) -> None:
    """A stream that came whole has no TTFT, one without counts no TPOT: first of all, and as JSON."""
    whole = Behaviour(tokens=30, gap_s=0.01, whole=True)
    uncounted = Behaviour(tokens=10, word=" four words an event", counts=False)
    words = ("profile", "openai:m", "-p", "Hi", "--base-url")
    with BoundedServer(whole) as one, BoundedServer(uncounted) as other:
        shown, said, counted = in_turn(
            [*words, one.base_url],
            [*words, one.base_url, "--json"],
            [*words, other.base_url],
            cwd=tmp_path,
        )
    assert "INVALID: TTFT, TPOT: 1 of 1 answers were delivered whole" in " ".join(shown.out.split())
    checks = json.loads(said.out)["checks"]
    assert [c["name"] for c in checks if c["verdict"] == "INVALID"] == [
        "coalesced reads",
        "buffered delivery",
    ]
    assert "INVALID: TPOT: the server gave no token count" in " ".join(counted.out.split())


def test_profile_json_is_one_document(tmp_path: pathlib.Path) -> None:
    """And nothing else on stdout."""
    with SimulatorProcess(QUICK) as simulator:
        found = lll(
            "profile",
            "openai:sim",
            "--base-url",
            simulator.base_url,
            "-p",
            "Hi",
            "--json",
            cwd=tmp_path,
        )
    document = json.loads(found.out)
    assert document["schema"] == "llm-latency-lens/profile/1"
    assert document["record"]["outcome"]["kind"] == "ok"
    assert 0.02 <= document["metrics"]["ttft"] < 5


def test_benchmark_reports_stores_and_shows_again(tmp_path: pathlib.Path) -> None:
    """The report on stdout; the stored run gives the same report, and the same JSON."""
    with SimulatorProcess(QUICK) as simulator:
        arguments = (
            "benchmark",
            "openai:sim",
            "--base-url",
            simulator.base_url,
            "-p",
            "Hi",
            "-n",
            "40",
            "-c",
            "4",
            "--goodput",
            "ttft<5s",
            "--seed",
            "9",
            # Forty requests on a busy machine may be too few for a verdict; that is not the question here.
            "--allow-invalid",
        )
        found = lll(*arguments, cwd=tmp_path)
    assert found.code == 0, found.err
    for word in (
        "closed loop, 4 slots, 40 requests",
        "seed 9",
        "TTFT",
        "goodput",
        "100.0%",
        "What was checked and held",
        "books",
    ):
        assert word in found.out
    shown = lll("runs", "show", "last", cwd=tmp_path)
    assert shown.out == found.out
    assert "benchmark openai:sim" in shown.err
    stored = json.loads(lll("runs", "show", "last", "--json", cwd=tmp_path).out)
    assert stored["schema"] == "llm-latency-lens/result/1"
    assert stored["run"]["seed"] == 9
    stops = [phase["stop"]["requests"] for phase in stored["run"]["spec"]["plan"]["phases"]]
    assert stops == [4, 40]
    assert "40" in lll("runs", "list", cwd=tmp_path).out


def test_benchmark_json_is_one_document(tmp_path: pathlib.Path) -> None:
    """One result document on stdout, nothing on stderr."""
    with SimulatorProcess(QUICK) as simulator:
        found = lll(
            "benchmark",
            "openai:sim",
            "--base-url",
            simulator.base_url,
            "-p",
            "Hi",
            "-n",
            "8",
            "--json",
            cwd=tmp_path,
        )
    assert json.loads(found.out)["outcomes"]["ok"] == 8
    assert found.err == ""


def test_saved_recordings_give_the_same_numbers_again(tmp_path: pathlib.Path) -> None:
    """`reinterpret` recomputes every metric from bytes and stamps; the key is in no byte of them."""
    with SimulatorProcess(QUICK) as simulator:
        arguments = (
            "openai:sim",
            "--base-url",
            simulator.base_url,
            "-p",
            "Hi",
            "-n",
            "40",
            "--save-raw",
            "--json",
        )
        found = lll("benchmark", *arguments, cwd=tmp_path, env={"OPENAI_API_KEY": CANARY})
    assert found.code == 0, found.err
    again = lll("reinterpret", "last", "--json", cwd=tmp_path)
    assert again.code == found.code, again.err
    before, after = json.loads(found.out), json.loads(again.out)
    for part in ("metrics", "outcomes", "tokens", "throughput"):
        assert after[part] == before[part]
    raw = next(tmp_path.rglob("recordings.bin"))
    assert raw.stat().st_mode & 0o777 == 0o600
    assert CANARY.encode() not in raw.read_bytes()


def test_x2_a_key_that_is_echoed_is_not_saved(tmp_path: pathlib.Path) -> None:
    """X2: overwritten in the recording, byte for byte."""
    body = b"your key is " + CANARY.encode()
    answer = b"HTTP/1.1 401 No\r\nX-Echo: %s\r\nContent-Length: %d\r\n\r\n%s" % (
        CANARY.encode(),
        len(body),
        body,
    )
    with hostile(request(), send(answer), fin()) as server:
        arguments = (
            "openai:m",
            "--base-url",
            f"http://127.0.0.1:{server.port}/v1",
            "-p",
            "x",
            "-n",
            "1",
            "--save-raw",
        )
        lll("benchmark", *arguments, cwd=tmp_path, env={"OPENAI_API_KEY": CANARY})
    files = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) == 4
    assert not [data for data in files if CANARY.encode() in data]
    again = lll("reinterpret", "last", "--json", cwd=tmp_path)
    assert json.loads(again.out)["failures"][0]["example"] == (
        "sent with the key of the environment variable OPENAI_API_KEY: your key is "
        + "*" * len(CANARY)
    )


def test_without_recordings_there_is_nothing_to_reinterpret(tmp_path: pathlib.Path) -> None:
    """It says what to do."""
    with SimulatorProcess(QUICK) as simulator:
        lll(
            "benchmark",
            "openai:sim",
            "--base-url",
            simulator.base_url,
            "-p",
            "Hi",
            "-n",
            "1",
            cwd=tmp_path,
        )
    found = lll("reinterpret", "last", cwd=tmp_path)
    assert found.code == 1
    assert "--save-raw" in found.err


def test_providers_are_listed_with_their_keys_presence(tmp_path: pathlib.Path) -> None:
    """Which variables are set, never what is in them."""
    found = lll("providers", cwd=tmp_path, env={"OPENAI_API_KEY": CANARY})
    listed = json.loads(
        lll("providers", "--json", cwd=tmp_path, env={"OPENAI_API_KEY": CANARY}).out
    )
    assert {"openai", "anthropic", "gemini", "cohere", "ollama", "vllm"} <= {
        row["name"] for row in listed
    }
    assert [row["key_present"] for row in listed if row["name"] == "openai"] == [True]
    assert [row["key_present"] for row in listed if row["name"] == "groq"] == [False]
    assert "OPENAI_API_KEY" in found.out
    assert CANARY not in found.out


WRONG: list[tuple[list[str], str]] = [
    (["profile", "opnai:m", "-p", "x", "--base-url", NOWHERE], "did you mean 'openai'"),
    (["profile", "m", "-p", "x"], "provider:model"),
    (["profile", "openai:m", "-p", "x"], "OPENAI_API_KEY is not set"),
    (["profile", "openai:m", "-p", "x", "--base-url", "localhost:8000"], "must begin with http"),
    (["profile", "openai:m", "--base-url", NOWHERE], "--prompt TEXT"),
    (["profile", "openai:m", "--base-url", NOWHERE, "-p", "x", "-f", "y.txt"], "contradict"),
    (["profile", "openai:m", "--base-url", NOWHERE, "-f", "none.txt"], "can't read prompt file"),
    (
        ["profile", "openai:m", "--base-url", NOWHERE, "-p", "x", "--ca-file", "none.pem"],
        "--ca-file",
    ),
    (
        [
            "profile",
            "openai:m",
            "--base-url",
            NOWHERE,
            "-p",
            "x",
            "--client-key",
            "llm-latency-lens.toml",
        ],
        "--client-key",
    ),
    (["profile", "openai:m", "--base-url", NOWHERE, "-p", "x", "--timeout", "30"], "has no unit"),
    (["profile", "openai:m", "--base-url", NOWHERE, "-p", "x", "--idle-timeout", "0s"], "above 0"),
    (
        ["profile", "openai:m", "--base-url", NOWHERE, "-p", "x", "--proxy", "socks5://h:1"],
        "proxy URL",
    ),
    (["benchmark", "openai:m", "--base-url", NOWHERE, "-p", "x", "--rate", "0/s"], "above 0"),
    (["benchmark", "openai:m", "--base-url", NOWHERE, "-p", "x", "--rate", "20"], "has no unit"),
    (
        ["benchmark", "openai:m", "--base-url", NOWHERE, "-p", "x", "--rate", "2/s", "-c", "3"],
        "contradict",
    ),
    (
        ["benchmark", "openai:m", "--base-url", NOWHERE, "-p", "x", "--arrival", "poisson"],
        "need a rate",
    ),
    (["benchmark", "openai:m", "--base-url", NOWHERE, "-p", "x", "-n", "0"], "--requests"),
    (["benchmark", "openai:m", "--base-url", NOWHERE, "-p", "x", "--duration", "0s"], "duration"),
    (["benchmark", "openai:m", "--base-url", NOWHERE, "-p", "x", "--workers", "none"], "--workers"),
    (
        ["benchmark", "openai:m", "--base-url", NOWHERE, "-p", "x", "--goodput", "tfft<1s"],
        "did you mean 'ttft'",
    ),
    (
        ["benchmark", "openai:m", "--base-url", NOWHERE, "-p", "x", "--goodput", "ttft<1"],
        "has no unit",
    ),
    (
        ["benchmark", "openai:m", "--base-url", NOWHERE, "-p", "x", "--runs-dir", "/proc/none"],
        "--runs-dir",
    ),
    (
        ["benchmark", "openai:m", "--base-url", NOWHERE, "-p", "x", "--config", "none.toml"],
        "can't read configuration",
    ),
    (["benchmrk"], "did you mean 'benchmark'"),
    (["benchmark", "openai:m", "--reqests", "3"], "--requests"),
    (["simulate", "--ttft", "20"], "has no unit"),
    (["simulate", "--itl", "weird:2ms"], "not a latency model"),
    (["simulate", "--tokens", "0"], "tokens"),
    (["simulate", "--batching", "fast"], "prefill="),
    (["simulate", "--ledger", "/nowhere/x"], "ledger"),
    (["runs", "show", "x"], "no runs"),
]


@pytest.mark.parametrize(("arguments", "words"), WRONG)
def test_wrong_input_gets_one_clear_line(
    tmp_path: pathlib.Path, arguments: list[str], words: str
) -> None:
    """What, where, what to do next; exit 2; nothing on stdout, no traceback."""
    found = lll(*arguments, cwd=tmp_path)
    assert found.code in {1, 2} if "--ledger" in arguments else found.code == 2
    assert found.out == ""
    assert found.err.startswith("error: ")
    assert found.err.count("\n") == 1
    assert words in found.err
    assert not list(tmp_path.glob("lll-runs/*"))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "[benchmark]\nrequets = 3\n",
            "llm-latency-lens.toml:2: unknown key 'requets' in [benchmark]; did you mean 'requests'?",
        ),
        ("[bench]\n", "unknown key 'bench'"),
        (
            '[targets.fast]\nmodel = "openai:m"\nbase_ulr = "x"\n',
            "llm-latency-lens.toml:3: unknown key 'base_ulr' in [targets.fast]; did you mean 'base_url'?",
        ),
        ("[targets.fast]\n", "needs model"),
        ("[benchmark\n", "not valid TOML"),
        ("[benchmark]\nrate = 20\n", "has no unit"),
    ],
)
def test_f1_a_wrong_configuration_names_file_line_and_nearest_key(
    tmp_path: pathlib.Path, text: str, words: str
) -> None:
    """F1, F2: before anything is sent."""
    (tmp_path / "llm-latency-lens.toml").write_text(text)
    found = lll("benchmark", "openai:m", "-p", "x", "--base-url", NOWHERE, cwd=tmp_path)
    assert (found.code, found.out) == (2, "")
    assert words in found.err


def test_command_line_beats_environment_beats_file(tmp_path: pathlib.Path) -> None:
    """The precedence, shown by the number of requests that were planned."""
    with SimulatorProcess(QUICK) as simulator:
        (tmp_path / "llm-latency-lens.toml").write_text(
            f'[targets.fast]\nmodel = "openai:sim"\nbase_url = "{simulator.base_url}"\n[benchmark]\nrequests = 3\nprompt = "Hi"\n'
        )

        def planned(*arguments: str, **env: str) -> int:
            found = lll("benchmark", "fast", "--json", *arguments, cwd=tmp_path, env=env)
            assert found.code == 5, found.err  # too few requests for a verdict
            count: int = json.loads(found.out)["offered"]["planned"]
            return count

        assert planned() == 3
        assert planned(LLL_REQUESTS="4") == 4
        assert planned("-n", "5", LLL_REQUESTS="4") == 5


ANSWERS = {
    "auth": (
        b"401 Unauthorized",
        b'{"error":{"message":"bad key %s"}}' % CANARY.encode(),
        "error_http/auth 401",
    ),
    "limit": (
        b"429 Too Many Requests",
        b'{"error":{"message":"slow down"}}',
        "error_http/rate_limited 429: slow down",
    ),
    "server": (b"503 Busy", b"overloaded", "error_http/server 503: overloaded"),
    "html": (b"200 OK", b"<html>hello</html>", "protocol_error/content_type"),
    "empty": (b"200 OK", b"", "protocol_error/content_type"),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_what_a_server_does_wrong_is_a_record_with_a_remedy(
    tmp_path: pathlib.Path, name: str
) -> None:
    """W14, W41, X2: exit 3, one line of what to do; a key that the server echoes is not shown."""
    status, body, words = ANSWERS[name]
    answer = b"HTTP/1.1 %s\r\nContent-Type: text/html\r\nContent-Length: %d\r\n\r\n%s" % (
        status,
        len(body),
        body,
    )
    with hostile(request(), send(answer), fin()) as server:
        arguments = ("openai:m", "--base-url", f"http://127.0.0.1:{server.port}/v1", "-p", "x")
        found = lll("profile", *arguments, cwd=tmp_path, env={"OPENAI_API_KEY": CANARY})
        assert CANARY.encode() in server.requests[0]
    assert found.code == 3
    assert words in " ".join(found.out.split())
    assert CANARY not in found.out + found.err


def test_x3_a_bad_certificate_is_a_record_with_a_remedy(tmp_path: pathlib.Path) -> None:
    """X3: exit 3, the words name the certificate and --ca-file; with it, the server is reached."""
    pki = Pki(tmp_path)
    answer = b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"
    with hostile(request(), send(answer), silence(), tls=pki.server) as server:
        arguments = (
            "profile",
            "openai:m",
            "--base-url",
            f"https://127.0.0.1:{server.port}/v1",
            "-p",
            "x",
        )
        distrusted = lll(*arguments, cwd=tmp_path)
        trusted = lll(*arguments, "--ca-file", pki.ca_file, cwd=tmp_path)
    words = " ".join(distrusted.out.split())
    assert (distrusted.code, trusted.code) == (3, 3)
    assert "error_connect/tls_failed" in words
    assert "can't be trusted" in words
    assert "--ca-file" in words
    assert "error_http/server 503" in trusted.out


def test_profile_of_a_name_has_a_lookup(tmp_path: pathlib.Path) -> None:
    """A host name instead of an address: DNS is a phase of its own."""
    with SimulatorProcess(QUICK) as simulator:
        base = simulator.base_url.replace("127.0.0.1", "localhost")
        found = lll("profile", "openai:sim", "--base-url", base, "-p", "Hi", cwd=tmp_path)
    assert found.code == 0
    assert "DNS" in found.out


def test_x1_the_key_is_in_nothing_that_is_stored(tmp_path: pathlib.Path) -> None:
    """X1: header, journal, summary, report: none holds the key."""
    with SimulatorProcess(QUICK) as simulator:
        arguments = ("openai:sim", "--base-url", simulator.base_url, "-p", "x", "-n", "2")
        found = lll("benchmark", *arguments, cwd=tmp_path, env={"OPENAI_API_KEY": CANARY})
    assert found.code == 5
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) == 3
    assert not [path for path in files if CANARY.encode() in path.read_bytes()]
    assert CANARY not in found.out + found.err


def test_help_is_for_everybody(tmp_path: pathlib.Path) -> None:
    """Every command explains itself; the bare command is a question for help."""
    bare = lll(cwd=tmp_path)
    assert (bare.code, bare.err) == (0, "")
    assert bare.out == lll("--help", cwd=tmp_path).out
    for command in (
        [],
        ["demo"],
        ["profile"],
        ["benchmark"],
        ["runs"],
        ["runs", "list"],
        ["simulate"],
        ["reinterpret"],
        ["providers"],
    ):
        found = lll(*command, "--help", cwd=tmp_path)
        assert found.code == 0
        assert "Usage:" in found.out


def test_simulate_serves_and_ends_with_its_ledger(tmp_path: pathlib.Path) -> None:
    """A line that says where, an answer, a summary at the end."""
    with start(
        "simulate",
        "--json",
        "--ttft",
        "5ms",
        "--itl",
        "1ms",
        "--tokens",
        "4..6",
        "--ledger",
        "l.jsonl",
        cwd=tmp_path,
    ) as process:
        assert process.stdout is not None
        base = json.loads(process.stdout.readline())["listening"] + "/v1"
        found = lll("profile", "openai:sim", "--base-url", base, "-p", "x", "--json", cwd=tmp_path)
        process.terminate()
        _, words = process.communicate(timeout=10)
    assert 4 <= json.loads(found.out)["record"]["tokens"]["output"] <= 6
    assert process.returncode == 0
    assert "simulator: 1 requests" in words
    assert len((tmp_path / "l.jsonl").read_text().splitlines()) == 2


def test_demo_ends_well_and_shows_the_error(tmp_path: pathlib.Path) -> None:
    """The newcomer's first command, shortened."""
    found = lll("demo", "--duration", "1s", cwd=tmp_path)
    assert found.code == 0, found.err
    for word in (
        "checked and held",
        "TTFT measured",
        "TTFT ledger",
        "TTFT error",
        "instrument error of TTFT",
    ):
        assert word in found.out
