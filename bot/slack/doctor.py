"""Checks a Slack installation: is the token good, are all scopes there, may Socket Mode open."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TypeAlias

import aiohttp
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

# The scopes of slack-manifest.yaml; a test holds the two together.
REQUIRED_SCOPES = frozenset(
    "app_mentions:read assistant:write channels:history channels:join channels:read chat:write commands files:write "
    "groups:history groups:read im:history im:read im:write usergroups:read users:read".split()
)
Checked: TypeAlias = tuple[bool, str, str, str]


async def examine_slack(token: str, app_token: str | None, api_url: str, *, socket: bool) -> AsyncIterator[Checked]:
    """(well, what, detail, mend) for each check."""
    client = AsyncWebClient(token=token, base_url=api_url, timeout=10)
    try:
        answer = await client.auth_test()
    except SlackApiError as error:
        reason = error.response.get("error", "unknown_error")
        yield (
            False,
            "Slack",
            f"the bot token was refused ({reason})",
            "Install the app again and copy the new xoxb- token.",
        )
        return
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        yield False, "Slack", f"cannot be reached ({type(error).__name__})", "Check the network and any proxy."
        return
    yield True, "Slack", f"connected to {answer.get('team')} as {answer.get('user')}", ""
    granted = {scope.strip() for scope in _header(answer.headers, "x-oauth-scopes").split(",") if scope.strip()}
    missing = sorted(REQUIRED_SCOPES - granted)
    if granted and missing:
        mend = "Add them under “OAuth & Permissions” (or update the manifest) and install the app again."
        yield False, "Slack scopes", f"missing: {', '.join(missing)}", mend
    elif granted:
        yield True, "Slack scopes", "all there", ""
    if socket:
        yield await _socket_mode(app_token or "", api_url)


def _header(headers: object, name: str) -> str:
    if not hasattr(headers, "items"):
        return ""
    return next((str(value) for key, value in headers.items() if key.lower() == name), "")


async def _socket_mode(app_token: str, api_url: str) -> Checked:
    client = AsyncWebClient(token=app_token, base_url=api_url, timeout=10)
    try:
        await client.apps_connections_open(app_token=app_token)
    except SlackApiError as error:
        reason = error.response.get("error", "unknown_error")
        mend = "Turn Socket Mode on, and give the app-level token the scope connections:write."
        return False, "Slack Socket Mode", f"refused ({reason})", mend
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        return False, "Slack Socket Mode", f"cannot be reached ({type(error).__name__})", "Check the network."
    return True, "Slack Socket Mode", "a connection may be opened", ""
