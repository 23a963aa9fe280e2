"""Forty kinds of secrets and personal data, made anew from a seed, with the text that stands around them.

`structured`: recognisable by a published shape, a checksum or the syntax around it; the others are known by a name
beside them alone.
"""

from __future__ import annotations

import base64
import random
import string
from collections.abc import Callable
from typing import NamedTuple

_HEX = "0123456789abcdef"
_UPPER = string.ascii_uppercase + string.digits
_ANY = string.ascii_letters + string.digits
_URL = _ANY + "-_"


class Planted(NamedTuple):
    """A secret in its text. `core` is the part that must not survive."""

    kind: str
    structured: bool
    core: str
    text: str


def _run(rng: random.Random, length: int, alphabet: str = _ANY) -> str:
    """Begins and ends with a letter or digit, as tokens do."""
    plain = "".join(c for c in alphabet if c.isalnum())
    return rng.choice(plain) + "".join(rng.choices(alphabet, k=length - 2)) + rng.choice(plain)


def _luhn(rng: random.Random, prefix: str, length: int) -> str:
    body = prefix + "".join(rng.choices(string.digits, k=length - 1 - len(prefix)))
    doubled = [int(d) * (2 - i % 2) for i, d in enumerate(reversed(body))]
    return body + str(-sum(d - 9 if d > 9 else d for d in doubled) % 10)


def _iban(rng: random.Random) -> str:
    account = "".join(rng.choices(string.digits, k=18))
    number = int(account + "131400")  # DE00
    return f"DE{98 - number % 97:02d}{account}"


def _basic(rng: random.Random) -> str:
    return base64.b64encode(f"bob:{_run(rng, 17)}".encode()).decode().rstrip("=")


def _jwt(rng: random.Random) -> str:
    return _run(rng, 43, _URL)


Maker = Callable[[random.Random], str]
# kind → structured, the secret, the text around it
KINDS: dict[str, tuple[bool, Maker, str]] = {
    "aws_key": (True, lambda r: "AKIA" + _run(r, 16, _UPPER), "key {} used by deploy"),
    "aws_secret": (False, lambda r: _run(r, 40), "aws_secret_access_key = {}"),
    "github": (True, lambda r: "ghp_" + _run(r, 36), "remote: {} denied"),
    "github_pat": (True, lambda r: "github_pat_" + _run(r, 60), "clone with {}"),
    "gitlab": (True, lambda r: "glpat-" + _run(r, 20), "using {} now"),
    "slack": (True, lambda r: "xox" + "b-" + _run(r, 12, string.digits) + "-" + _run(r, 24), "posting with {}"),
    "slack_app": (True, lambda r: "xapp-1-" + _run(r, 11, _UPPER) + "-" + _run(r, 40), "socket {} opened"),
    "slack_hook": (
        True, lambda r: f"T{_run(r, 8)}/B{_run(r, 8)}/{_run(r, 24)}", "https://hooks.slack.com/services/{} 404"
    ),
    "google_key": (True, lambda r: "AIza" + _run(r, 35, _URL), "maps?k={} refused"),
    "google_token": (True, lambda r: "ya29." + _run(r, 60, _URL), "oauth {} expired"),
    "stripe": (True, lambda r: "sk" + "_live_" + _run(r, 24), "charge with {} failed"),
    "openai": (True, lambda r: "sk-proj-" + _run(r, 48), "model key {} over limit"),
    "anthropic": (True, lambda r: "sk-ant-" + _run(r, 40), "model key {} over limit"),
    "huggingface": (True, lambda r: "hf_" + _run(r, 34), "pull with {}"),
    "npm": (True, lambda r: "npm_" + _run(r, 36), "registry {} 403"),
    "pypi": (True, lambda r: "pypi-" + _run(r, 80, _URL), "upload {} refused"),
    "docker": (True, lambda r: "dckr_pat_" + _run(r, 27, _URL), "login {} ok"),
    "sendgrid": (True, lambda r: f"SG.{_run(r, 22, _URL)}.{_run(r, 43, _URL)}", "mail {} bounced"),
    "mailgun": (True, lambda r: "key-" + _run(r, 32, _HEX), "mail {} bounced"),
    "twilio": (True, lambda r: "SK" + _run(r, 32, _HEX), "sms {} failed"),
    "digitalocean": (True, lambda r: "dop_v1_" + _run(r, 64, _HEX), "droplet {} made"),
    "newrelic": (True, lambda r: "NRAK-" + _run(r, 27, _UPPER), "agent {} started"),
    "grafana": (True, lambda r: f"glsa_{_run(r, 32)}_{_run(r, 8, _HEX)}", "panel {} read"),
    "vault": (True, lambda r: "hvs." + _run(r, 40, _URL), "lease {} renewed"),
    "databricks": (True, lambda r: "dapi" + _run(r, 32, _HEX), "job {} queued"),
    "shopify": (True, lambda r: "shpat_" + _run(r, 32, _HEX), "shop {} synced"),
    "atlassian": (True, lambda r: "ATATT3" + _run(r, 60, _URL), "jira {} 401"),
    "linear": (True, lambda r: "lin_api_" + _run(r, 40), "issue {} made"),
    "inquest": (True, lambda r: "inq_" + _run(r, 43, _URL), "api {} used"),
    "jwt": (True, _jwt, "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJvcHMifQ.{} rejected"),
    "bearer": (True, lambda r: _run(r, 32), "Authorization: Bearer {}"),
    "basic": (True, _basic, "Authorization: Basic {}"),
    "dsn": (True, lambda r: _run(r, 16), "postgresql://app:{}@db.internal:5432/shop"),
    "azure": (True, lambda r: _run(r, 86) + "==", "AccountName=x;AccountKey={};EndpointSuffix=y"),
    "pem": (
        True, lambda r: "\n".join(_run(r, 64) for _ in range(3)),
        "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----",
    ),
    "password": (False, lambda r: _run(r, 14), "login failed password={} for user"),
    "client_secret": (False, lambda r: _run(r, 30), "clientSecret: '{}'"),
    "email": (True, lambda r: f"{_run(r, 9, string.ascii_lowercase)}@{_run(r, 8, string.ascii_lowercase)}.example.com",
              "from {} at noon"),
    "card": (True, lambda r: _luhn(r, "4", 16), "paid with {} today"),
    "iban": (True, _iban, "refund to {} today"),
}  # fmt: skip


def planted(kind: str, rng: random.Random) -> Planted:
    """One of a kind."""
    structured, make, around = KINDS[kind]
    secret = make(rng)
    return Planted(kind, structured, secret, around.replace("{}", secret))


def look_alikes(rng: random.Random) -> list[str]:
    """What looks like a secret and is none: one of each sort."""
    hexes = [_run(rng, n, _HEX) for n in (7, 16, 32, 40, 64)]
    uuid = (
        f"{_run(rng, 8, _HEX)}-{_run(rng, 4, _HEX)}-4{_run(rng, 3, _HEX)}-a{_run(rng, 3, _HEX)}-{_run(rng, 12, _HEX)}"
    )
    stamp = rng.randrange(1_600_000_000, 1_800_000_000)
    return [
        *(f"commit {one}" for one in hexes),
        f"request {uuid} took 31 ms",
        f"trace_id={hexes[2]} span_id={hexes[1]}",
        f"image sha256:{hexes[4]}",
        f"at {stamp} and {stamp}{rng.randrange(1000):03d}",
        f"order 10{rng.randrange(10**9, 10**10)}",
        f"pod payment-service-{_run(rng, 9, _HEX)}-{_run(rng, 5, string.ascii_lowercase)} restarted",
        f"10.{rng.randrange(255)}.{rng.randrange(255)}.{rng.randrange(255)}:{rng.randrange(1024, 65535)} connected",
        f"took {rng.random() * 1000:.6f} ms, used {rng.randrange(10**9)} bytes",
        f"com.example.shop.{_run(rng, 8).capitalize()}Service.{_run(rng, 6)}(Checkout.java:{rng.randrange(999)})",
        f"GET /api/v1/orders/{rng.randrange(10**8)}?page={rng.randrange(99)}&sort=created_at 200",
        f"base64 {base64.b64encode(bytes(rng.randrange(256) for _ in range(33))).decode()}",
        f"version v{rng.randrange(9)}.{rng.randrange(99)}.{rng.randrange(99)}-rc.{rng.randrange(9)}+{hexes[0]}",
        f"tokens used: {rng.randrange(10**6)}, keys: {rng.randrange(10**4)}",
        f'etag W/"{_run(rng, 27)}"',
        f"offset {rng.randrange(10**15)} partition {rng.randrange(64)}",
    ]
