"""Secrets and personal data never pass; what only looks like them does."""

from __future__ import annotations

import base64
import hashlib
import json
import random
import string
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.redaction import clean_text, is_secret_key, placeholder, redact_json, redact_text, set_redaction_key

_RANDOM = random.Random(20261120)


def _run(length: int, alphabet: str = string.ascii_letters + string.digits) -> str:
    return "".join(_RANDOM.choices(alphabet, k=length))


_HEX = "0123456789abcdef"
_UPPER = string.ascii_uppercase + string.digits
# Made here, part by part, so that no scanner takes this file for a leak. Each is (kind, secret, text around it).
SECRETS: tuple[tuple[str, str, str], ...] = (
    ("aws_key", "AKIA" + _run(16, _UPPER), "key {} used"),
    ("aws_session", "ASIA" + _run(16, _UPPER), "{}"),
    ("aws_secret", _run(40), "aws_secret_access_key = {}"),
    ("github", "ghp_" + _run(36), "remote: {}"),
    ("github_pat", "github_pat_" + _run(60), "{}"),
    ("gitlab", "glpat-" + _run(20), "{}"),
    ("slack", "xox" + "b-" + _run(12, string.digits) + "-" + _run(24), "token {}"),
    ("slack_app", "xapp-1-" + _run(11, _UPPER) + "-" + _run(40), "{}"),
    ("slack_hook", "T" + _run(8) + "/B" + _run(8) + "/" + _run(24), "https://hooks.slack.com/services/{}"),
    ("google_key", "AIza" + _run(35), "?key={}"),
    ("google_token", "ya29." + _run(60), "{}"),
    ("stripe", "sk" + "_live_" + _run(24), "charge with {}"),
    ("webhook", "whsec_" + _run(32), "{}"),
    ("openai", "sk-proj-" + _run(48), "{}"),
    ("anthropic", "sk-ant-" + _run(40), "{}"),
    ("huggingface", "hf_" + _run(34), "{}"),
    ("npm", "npm_" + _run(36), "//registry/:_authToken={}"),
    ("pypi", "pypi-" + _run(80), "{}"),
    ("docker", "dckr_pat_" + _run(27), "{}"),
    ("sendgrid", "SG." + _run(22) + "." + _run(43), "{}"),
    ("mailgun", "key-" + _run(32, _HEX), "{}"),
    ("twilio", "SK" + _run(32, _HEX), "{}"),
    ("digitalocean", "dop_v1_" + _run(64, _HEX), "{}"),
    ("newrelic", "NRAK-" + _run(27, _UPPER), "{}"),
    ("grafana", "glsa_" + _run(32) + "_" + _run(8, _HEX), "{}"),
    ("vault", "hvs." + _run(40), "{}"),
    ("databricks", "dapi" + _run(32, _HEX), "{}"),
    ("shopify", "shpat_" + _run(32, _HEX), "{}"),
    ("telegram", _run(9, "123456789") + ":AA" + _run(33), "bot {}"),
    ("atlassian", "ATATT3" + _run(60), "{}"),
    ("linear", "lin_api_" + _run(40), "{}"),
    ("inquest", "inq_" + _run(43), "x-api-key {}"),
    ("jwt", "eyJ" + _run(20) + ".eyJ" + _run(40) + "." + _run(43), "jwt {}"),
    ("bearer", _run(32), "Authorization: Bearer {}"),
    ("basic", base64.b64encode(b"bob:" + _run(12).encode()).decode(), "Authorization: Basic {}"),
    ("dsn", _run(14) + ":x", "postgresql://app:{}@db.internal:5432/shop"),
    ("redis", _run(20), "redis://:{}@cache:6379/0"),
    ("password", _run(10), "login failed password={} for user"),
    ("password_json", _run(10), '{{"db_password": "{}"}}'),
    ("password_escaped", _run(10), '{{\\"password\\":\\"{}\\"}}'),
    ("password_url", _run(10), "user=x&password%3D{}&y=1"),
    ("client_secret", _run(30), "clientSecret: '{}'"),
    ("sql", _run(12), "ALTER ROLE app PASSWORD '{}'"),
    ("mysql", _run(12), "IDENTIFIED BY '{}'"),
    ("azure", _run(86) + "==", "AccountName=x;AccountKey={};EndpointSuffix=y"),
    ("signature", _run(43), "https://x.blob/y?se=1&sig={}"),
    ("cookie", _run(30), "Cookie: session={}"),
    ("flag", _run(12), "run --password {} --verbose"),
    ("pem", _run(64), "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----"),
    ("email", "bob.smith+tag@mail.example.co.uk", "from {} at noon"),
    ("card", "4111 1111 1111 1111", "paid with {}."),
    ("card_amex", "378282246310005", "card {}"),
    ("iban", "DE89 3704 0044 0532 0130 00", "to {} now"),
    ("phone", "+49 170 1234567", "call {}"),
)


@pytest.mark.parametrize(("kind", "secret", "around"), SECRETS, ids=[kind for kind, _, _ in SECRETS])
def test_every_kind_is_masked(kind: str, secret: str, around: str) -> None:
    text = around.format(secret)
    masked = redact_text(text)
    assert secret not in masked, kind
    assert redact_text(masked) == masked
    assert secret not in redact_text(f"2026-11-20T10:00:00Z ERROR {text}\n at line 3")
    wrapped = base64.b64encode(text.encode()).decode()
    assert wrapped not in redact_text(f"payload {wrapped} end")
    assert wrapped not in redact_text(f"data={wrapped}")
    assert secret not in json.dumps(redact_json({"list": [{"text": text}]}))


BENIGN: tuple[str, ...] = (
    "0b0a8d5e-1234-4000-8000-000000000001",
    "trace_id=4bf92f3577b34da6a3ce929d0e0e4736 span_id=00f067aa0ba902b7",
    "commit " + hashlib.sha1(b"x").hexdigest(),
    "sha256:" + hashlib.sha256(b"x").hexdigest(),
    "epoch 1763632800 ms 1763632800123 us 1763632800123456 ns 1763632800123456789",
    "order 100000000000000 of customer 42",
    "2026-11-20T10:00:00.123456+00:00",
    "max_tokens: 4096, tokens=120, token_count=7",
    "unexpected token: identifier near SELECT",
    "primary key: id, foreign key (order_id), partition_key=abc",
    "password authentication failed for user app",
    "authentication failed: basic auth required",
    "node@10.0.0.1:9042 is down",
    "GET /api/v1/cards/visa?limit=100 200 12ms",
    "payment-service-7d4b9c6f5d-x2k8p restarted 3 times",
    "com.example.payments.PaymentServiceImplementationFactoryBean",
    "password=${DB_PASSWORD} token=<redacted> secret: null",
    "http://prometheus:9090/graph?g0.expr=up",
    "PWD=/home/app",
    "version 1.2.3+build.20261120",
)


@pytest.mark.parametrize("text", BENIGN)
def test_look_alikes_stay(text: str) -> None:
    assert redact_text(text) == text


def test_random_identifiers_stay() -> None:
    made = [str(uuid.UUID(int=_RANDOM.getrandbits(128))) for _ in range(2_000)]
    made += [f"{_RANDOM.getrandbits(160):040x}" for _ in range(2_000)]
    made += [str(1_700_000_000_000 + _RANDOM.getrandbits(36)) for _ in range(2_000)]
    changed = [text for text in made if redact_text(f"id {text} seen") != f"id {text} seen"]
    assert len(changed) <= len(made) * 0.002, changed[:5]


def test_a_secret_after_many_harmless_runs_is_found() -> None:
    harmless = " ".join(base64.b64encode(_RANDOM.randbytes(30)).decode() for _ in range(5_000))
    wrapped = base64.b64encode(b"postgresql://app:hunter22@db/shop").decode()
    assert wrapped not in redact_text(f"{harmless} {wrapped}")


def test_same_value_same_placeholder() -> None:
    one, two = redact_text("a@example.com then b@example.com then a@example.com").split(" then ")[:2]
    assert one != two
    assert redact_text("again: a@example.com") == f"again: {one}"


def test_the_key_decides_the_placeholder() -> None:
    from connectors import redaction

    before, kept = placeholder("x", "value"), redaction._Key.value
    try:
        set_redaction_key(b"0123456789abcdef")
        first = placeholder("x", "value")
        set_redaction_key(b"fedcba9876543210")
        assert len({before, first, placeholder("x", "value")}) == 3
        with pytest.raises(ValueError, match="16 bytes"):
            set_redaction_key(b"short")
    finally:
        redaction._Key.value = kept


def test_values_under_secret_keys_are_masked_whole() -> None:
    value = {
        "DB_PASSWORD": "x1",
        "apiKey": 12345,
        "nested": {"clientSecret": ["a", {"b": "c"}]},
        "env": [{"name": "STRIPE_SECRET_KEY", "value": "abc"}, {"name": "REGION", "value": "eu"}],
        "tokens": 5,
        "token": None,
        "max_tokens": 10,
    }
    masked = json.dumps(redact_json(value))  # type: ignore[arg-type]
    for secret in ('"x1"', "12345", '"a"', '"c"', '"abc"'):
        assert secret not in masked
    for kept in ('"eu"', '"tokens": 5', '"token": null', '"max_tokens": 10'):
        assert kept in masked


@pytest.mark.parametrize(
    ("key", "secret"),
    [("password", True), ("DB_PASSWORD", True), ("x-api-key", True), ("accessToken", True), ("set-cookie", True),
     ("tokens", False), ("token_count", False), ("key", False), ("secretary", False), ("monkey", False)],
)  # fmt: skip
def test_which_keys_are_secret(key: str, secret: bool) -> None:
    assert is_secret_key(key) is secret


@given(st.text(max_size=300))
def test_masking_twice_changes_nothing(text: str) -> None:
    once = redact_text(text)
    assert redact_text(once) == once


def test_hostile_texts_cost_little() -> None:
    """Linear work: these would take minutes with a pattern that backtracks."""
    for text in ("a_" * 50_000, "eyJ" * 50_000, "1 " * 50_000, "password" * 20_000, "://" * 50_000, "A" * 200_000):
        assert len(redact_text(text)) > 0


def test_errors_are_one_short_clean_line() -> None:
    line = clean_text("boom\n  at x\n password=hunter22 my-own-secret " + "y" * 1_000, ["my-own-secret"])
    assert "hunter22" not in line
    assert "my-own-secret" not in line
    assert "\n" not in line
    assert len(line) <= 300
