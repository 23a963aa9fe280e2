"""The shapes of secrets, as published by those who issue them. `marks` are plain strings one of which must be there:
looking for them first is what makes redaction fast."""

from __future__ import annotations

import re
from re import Pattern
from typing import NamedTuple


class Shape(NamedTuple):
    """One kind of secret. The group `secret`, if there is one, is the part to mask."""

    kind: str
    marks: tuple[str, ...]
    pattern: Pattern[str]
    folded: bool = False
    one_word: bool = False
    """The whole secret, with its mark, is one word of `WORD`."""


_START = r"(?<![A-Za-z0-9])"
_END = r"(?![A-Za-z0-9])"


def _token(kind: str, marks: tuple[str, ...], body: str) -> Shape:
    return Shape(kind, marks, re.compile(_START + body + _END), one_word=True)


def _inside(kind: str, marks: tuple[str, ...], pattern: str) -> Shape:
    return Shape(kind, marks, re.compile(pattern, re.IGNORECASE), folded=True)


SHAPES: tuple[Shape, ...] = (
    Shape(
        "private_key",
        ("-----BEGIN",),
        re.compile(
            r"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----"
            r"[\s\S]*?(?:-----END (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----|\Z)"
        ),
    ),
    _inside(
        "password", ("://",), r"\b[a-z][a-z0-9+.-]{1,20}://[^\s:/?#@\"'<>\[\]]{0,64}:(?P<secret>[^\s/?#\"'<>]{1,256})@"
    ),
    _token("jwt", ("eyJ",), r"eyJ[A-Za-z0-9_-]{5,}\.(?:eyJ|[A-Za-z0-9_-])[A-Za-z0-9_-]{4,}\.[A-Za-z0-9_-]{0,}"),
    _token("aws_key", ("AKIA", "ASIA", "ABIA", "ACCA"), r"(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}"),
    _token(
        "github_token",
        ("ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_"),
        r"(?:gh[pousr]_[A-Za-z0-9]{30,255}|github_pat_[A-Za-z0-9_]{22,255})",
    ),
    _token("gitlab_token", ("glpat-", "gldt-", "glrt-", "glptt-"), r"gl(?:pat|dt|rt|ptt)-[A-Za-z0-9_-]{20,}"),
    Shape(
        "slack_webhook",
        ("hooks.slack.com",),
        re.compile(
            r"hooks\.slack\.com\\{0,3}/(?:services|workflows|triggers)\\{0,3}/(?P<secret>[A-Za-z0-9/\\_-]{10,})"
        ),
    ),
    _token(
        "slack_token", ("xox", "xapp-"), r"(?:xox[abceoprs](?:\.xox[bp])?-[A-Za-z0-9-]{8,}|xapp-[0-9]-[A-Za-z0-9-]{8,})"
    ),
    _token("google_key", ("AIza",), r"AIza[A-Za-z0-9_-]{35}"),
    _token("google_token", ("ya29.", "GOCSPX-"), r"(?:ya29\.[A-Za-z0-9_-]{20,}|GOCSPX-[A-Za-z0-9_-]{20,})"),
    _token(
        "stripe_key",
        ("sk_live_", "sk_test_", "rk_live_", "rk_test_", "whsec_"),
        r"(?:[sr]k_(?:live|test)_[A-Za-z0-9]{10,}|whsec_[A-Za-z0-9+/=]{16,})",
    ),
    _token("anthropic_key", ("sk-ant-",), r"sk-ant-[A-Za-z0-9_-]{16,}"),
    _token("openai_key", ("sk-",), r"sk-(?:proj-|svcacct-|admin-)?[A-Za-z0-9_-]{32,}"),
    _token("huggingface_token", ("hf_",), r"hf_[A-Za-z0-9]{30,}"),
    _token("npm_token", ("npm_",), r"npm_[A-Za-z0-9]{36}"),
    _token("pypi_token", ("pypi-",), r"pypi-[A-Za-z0-9_-]{50,}"),
    _token("docker_token", ("dckr_pat_", "dckr_oat_"), r"dckr_[po]at_[A-Za-z0-9_-]{20,}"),
    _token("sendgrid_key", ("SG.",), r"SG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}"),
    _token("mailgun_key", ("key-",), r"key-[0-9a-f]{32}"),
    _token("mailchimp_key", ("-us",), r"[0-9a-f]{32}-us\d{1,2}"),
    _token("twilio_key", ("SK",), r"SK[0-9a-f]{32}"),
    _token("digitalocean_token", ("dop_v1_", "doo_v1_", "dor_v1_"), r"do[opr]_v1_[0-9a-f]{64}"),
    _token("newrelic_key", ("NRAK-", "NRRA-", "NRII-", "NRJS-"), r"NR(?:AK|RA|II|JS)-[A-Za-z0-9_-]{16,}"),
    _token("grafana_token", ("glsa_", "glc_"), r"(?:glsa_[A-Za-z0-9]{32}_[A-Fa-f0-9]{8}|glc_[A-Za-z0-9+/=]{32,})"),
    _token("vault_token", ("hvs.", "hvb.", "hvr."), r"hv[sbr]\.[A-Za-z0-9_-]{20,}"),
    _token("terraform_token", (".atlasv1.",), r"[A-Za-z0-9]{14}\.atlasv1\.[A-Za-z0-9_-]{40,}"),
    _token("databricks_token", ("dapi",), r"dapi[0-9a-f]{32}(?:-\d)?"),
    _token("shopify_token", ("shpat_", "shpca_", "shppa_", "shpss_"), r"shp(?:at|ca|pa|ss)_[A-Fa-f0-9]{32}"),
    _token(
        "square_token", ("sq0atp-", "sq0csp-", "EAAA"), r"(?:sq0(?:atp|csp)-[A-Za-z0-9_-]{22,}|EAAA[A-Za-z0-9_-]{60})"
    ),
    _token("telegram_token", (":AA",), r"\d{8,10}:AA[A-Za-z0-9_-]{33}"),
    Shape(
        "discord_webhook", ("/api/webhooks/",), re.compile(r"/api/webhooks/\d{16,20}/(?P<secret>[A-Za-z0-9_-]{40,})")
    ),
    _token("age_key", ("AGE-SECRET-KEY-",), r"AGE-SECRET-KEY-1[0-9A-Z]{50,}"),
    _token("linear_key", ("lin_api_",), r"lin_api_[A-Za-z0-9]{32,}"),
    _token("atlassian_token", ("ATATT3", "ATCTT3", "ATBB"), r"(?:AT[AC]TT3[A-Za-z0-9_=-]{40,}|ATBB[A-Za-z0-9]{24,})"),
    _token("postman_key", ("PMAK-",), r"PMAK-[0-9a-f]{24}-[0-9a-f]{34}"),
    _token("pulumi_token", ("pul-",), r"pul-[0-9a-f]{40}"),
    _token("doppler_token", ("dp.",), r"dp\.(?:pt|st|ct|sa|scim|audit)\.(?:[a-z0-9_-]{1,40}\.)?[A-Za-z0-9]{40,}"),
    _token("inquest_key", ("inq_",), r"inq_[A-Za-z0-9_-]{20,}"),
    _inside(
        "azure_key",
        ("accountkey=", "sharedaccesskey="),
        r"(?:AccountKey|SharedAccessKey)=(?P<secret>[A-Za-z0-9+/=]{20,})",
    ),
    _inside(
        "signature",
        ("sig=", "signature="),
        r"[?&;](?:sig|X-Amz-Signature|X-Goog-Signature|signature)=(?P<secret>[A-Za-z0-9%+/=_-]{16,})",
    ),
    _inside("bearer", ("bearer",), r"\bbearer[\s:=]+[\"']?(?P<secret>[A-Za-z0-9._~+/=-]{12,})"),
    _inside(
        "header",
        ("authorization",),
        r"\b(?:proxy-)?authorization[\"']?\s*[:=]\s*[\"']?(?:token|apikey|api-key|digest|splunk|aws4-hmac-sha256)\s+(?P<secret>[^\s\"',;]{8,})",
    ),
    _inside("cookie", ("cookie",), r"\b(?:set-)?cookie[\"']?\s*[:=]\s*[\"']?(?P<secret>[^\r\n\"']{6,})"),
    _inside(
        "session",
        ("jsessionid", "phpsessid", "connect.sid", "sessionid", "session_id"),
        r"\b(?:JSESSIONID|PHPSESSID|connect\.sid|sessionid)=(?P<secret>[^\s;,&\"']{8,})",
    ),
    _inside(
        "password",
        ("identified by", "password '", "password e'"),
        r"\b(?:identified\s+by|password)\s+e?'(?P<secret>[^']{1,256})'",
    ),
    _inside(
        "password",
        (" -p", "--password", "--token", "sshpass", "--secret"),
        r"(?:--(?:password|passwd|token|secret|api-key)[= ]|sshpass\s+-p\s*|mysql\b[^\n]{0,80}?\s-p)"
        r"(?P<secret>[^\s'\"-][^\s'\"]{2,255})",
    ),
)

_STRONG = (
    r"password|passwd|passphrase|pwd|secret|api[_-]?key|apikey|access[_-]?key(?:[_-]id)?|account[_-]?key|private[_-]?key"
    r"|secret[_-]?key|client[_-]?secret|signing[_-]?(?:secret|key)|encryption[_-]?key|master[_-]?key|app(?:lication)?[_-]?key"
    r"|auth[_-]?token|access[_-]?token|refresh[_-]?token|id[_-]?token|session[_-]?token|bot[_-]?token|credentials?"
)
WEAK_KEYS = frozenset({"token", "auth", "pin", "otp"})
SECRET_KEY: Pattern[str] = re.compile(
    rf"(?:[\w.-]*[_.-]|[a-z]+(?=[A-Z]))?(?:{_STRONG}|token|authorization|set-cookie|cookie)"
    rf"|[a-z][A-Za-z]*(?:Password|Passwd|Secret|Token|ApiKey|APIKey|AccessKey|PrivateKey|SecretKey)",
    re.IGNORECASE,
)
KEYED_WORDS: tuple[str, ...] = (
    "passw",
    "passphrase",
    "pwd",
    "secret",
    "key",
    "token",
    "credential",
    "auth",
    "pin=",
    "otp",
)
KEYED_VALUE: Pattern[str] = re.compile(
    rf"(?<!\[)(?<!\[secret:)(?P<key>{_STRONG}|token|otp)"
    r"\\{0,3}[\"']?\s{0,3}(?:=>|:=|[:=]|%3[dD])\s{0,3}"
    r"(?:\\{0,3}\"(?P<quoted>[^\"\\\r\n]{1,1024})|\\{0,3}'(?P<squoted>[^'\\\r\n]{1,1024})|(?P<bare>[^\s\"'\\,;&)}\]<>]{1,1024}))",
    re.IGNORECASE,
)
# Where a name may begin, in small letters.
KEYED_START: Pattern[str] = re.compile(
    rf"(?:{_STRONG}|token|otp)(?=(?:[_-]?(?:key|token|secret)(?:[_-]id)?|s)?\\{{0,3}}[\"']?\s{{0,3}}(?:[:=]|%3d))"
)

BASIC: Pattern[str] = re.compile(r"\b[Bb]asic\s+(?P<secret>[A-Za-z0-9+/]{6,}={0,2})(?![A-Za-z0-9+/=])")
EMAIL: Pattern[str] = re.compile(
    r"(?<![A-Za-z0-9._%+-])[A-Za-z0-9](?:[A-Za-z0-9._+-]{0,62}[A-Za-z0-9_+-])?(?:@|%40)"
    r"(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.){1,6}[A-Za-z]{2,24}(?![A-Za-z0-9])"
)
# What begins a match stands before the look-behind: only then does the engine skip to it.
PHONE: Pattern[str] = re.compile(
    r"\+(?<![\w+.:/-]\+)[1-9]\d{0,2}[ .-]?(?:\(\d{1,4}\)[ .-]?)?\d{2,4}(?:[ .-]?\d{2,4}){1,4}(?![\w:.-]*\d)"
)
CARD: Pattern[str] = re.compile(
    r"[2-6](?<![\w.+-][2-6])\d{3}[ -]?\d{4,6}[ -]?\d{4,5}(?:[ -]?\d{1,4})?(?:[ -]?\d{1,3})?(?![\w-]|\.\d)"
)
IBAN: Pattern[str] = re.compile(
    r"[A-Z](?<![A-Za-z0-9][A-Z])[A-Z]\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?(?![A-Za-z0-9])"
)
HEXADECIMAL: Pattern[str] = re.compile(r"[0-9a-f-]+")
WORD: Pattern[str] = re.compile(r"[A-Za-z0-9_.:+/=-]{12,}")
PLAIN_ID: Pattern[str] = re.compile(r"(?:[a-z_]+=)?[0-9a-f:.TZ+-]+")
RUN: Pattern[str] = re.compile(r"[^\s\"'<>&]{6,65536}")
BASE64_RUN: Pattern[str] = re.compile(r"(?<![A-Za-z0-9+/_-])[A-Za-z0-9+/_-]{24,4096}={0,2}(?![A-Za-z0-9+/_=-])")
