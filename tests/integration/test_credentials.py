"""The clouds' own credential chains: AWS profiles through botocore, Google service accounts through google-auth."""

import json
import os
import pathlib

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from tests.support.command import lll
from tests.support.hostile import fin, hostile, request, send

from llm_latency_lens.simulator.latency import parse_latency
from llm_latency_lens.simulator.process import SimulatorProcess
from llm_latency_lens.simulator.spec import SimulatorSpec

CANARY = "sk-canary-0123456789abcdef"
NOBODY = {
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_SHARED_CREDENTIALS_FILE": "/nowhere",
    "AWS_CONFIG_FILE": "/nowhere",
}


@pytest.fixture
def demanding(monkeypatch: pytest.MonkeyPatch) -> SimulatorProcess:
    """A simulator that takes nothing but the canary as key or AWS secret."""
    monkeypatch.setenv("LLL_TEST_KEY", CANARY)
    return SimulatorProcess(
        SimulatorSpec(
            ttft=parse_latency("5ms"), itl=parse_latency("1ms"), tokens=4, key_env="LLL_TEST_KEY"
        )
    )


def test_an_aws_profile_signs(tmp_path: pathlib.Path, demanding: SimulatorProcess) -> None:
    """Keys and region from the files that the AWS command line writes; the simulator checks the signature."""
    (tmp_path / "credentials").write_text(
        f"[team]\naws_access_key_id = AKIDEXAMPLE\naws_secret_access_key = {CANARY}\n"
    )
    (tmp_path / "config").write_text("[profile team]\nregion = eu-central-1\n")
    env = {
        **NOBODY,
        "AWS_PROFILE": "team",
        "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "credentials"),
        "AWS_CONFIG_FILE": str(tmp_path / "config"),
    }
    with demanding as server:
        words = ["bedrock:vendor.model-v1:0", "--base-url", server.address, "-p", "x", "--json"]
        one = lll("profile", *words, cwd=tmp_path, env=env)
        many = lll("benchmark", *words, "-n", "6", "-c", "2", cwd=tmp_path, env=env)
    assert one.code == 0, one.out + one.err
    assert json.loads(many.out)["outcomes"]["ok"] == 6


def test_without_any_aws_credentials_it_says_what_to_set(tmp_path: pathlib.Path) -> None:
    """One line, nothing sent."""
    found = lll("profile", "bedrock:m", "-p", "x", cwd=tmp_path, env=NOBODY)
    assert found.code == 2
    assert "AWS_BEARER_TOKEN_BEDROCK" in found.err
    assert "AWS_ACCESS_KEY_ID" in found.err


def service_account(token_uri: str) -> str:
    """A service account's key file, its token endpoint on loopback."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return json.dumps(
        {
            "type": "service_account",
            "project_id": "proj-of-file",
            "private_key_id": "1",
            "private_key": pem.decode(),
            "client_email": "lens@proj.example",
            "client_id": "1",
            "token_uri": token_uri,
        }
    )


def test_google_default_credentials_are_exchanged_for_a_token(
    tmp_path: pathlib.Path, demanding: SimulatorProcess
) -> None:
    """google-auth signs for a token at the account's endpoint; the project comes from the file too."""
    body = json.dumps({"access_token": CANARY, "expires_in": 3600, "token_type": "Bearer"}).encode()
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: %d\r\n\r\n"
    with hostile(request(), send(head % len(body) + body), fin()) as tokens, demanding as server:
        path = tmp_path / "account.json"
        path.write_text(service_account(f"http://127.0.0.1:{tokens.port}/token"))
        env = {"GOOGLE_APPLICATION_CREDENTIALS": str(path), "NO_PROXY": "127.0.0.1"}
        words = ["profile", "vertex:m", "--base-url", f"{server.address}/v1", "-p", "x", "--json"]
        found = lll(*words, cwd=tmp_path, env=env)
        assert b"grant_type=" in tokens.requests[0]
    assert found.code == 0, found.out + found.err
    assert CANARY not in found.out + found.err


def test_without_google_credentials_it_says_what_to_do(tmp_path: pathlib.Path) -> None:
    """One line; where the file is missing as well as where there is none."""
    env = {
        "GOOGLE_APPLICATION_CREDENTIALS": str(tmp_path / "none.json"),
        "HOME": os.fspath(tmp_path),
    }
    found = lll("profile", "vertex:m", "-p", "x", cwd=tmp_path, env=env)
    assert found.code == 2
    assert "gcloud auth application-default login" in found.err
