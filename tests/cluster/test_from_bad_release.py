"""A bad release on a real cluster: the investigation names it, a click approves, the rollout is undone, it recovers."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import SecretStr

from bot.app import ALL_PARTS, App, slack_face
from bot.demo.access import ACCESS_YAML
from bot.demo.workspace import Workspace
from bot.domain.remediation import Proposal, ProposalState
from bot.settings import Settings, SlackMode
from tests.cluster.changing import deployment
from tests.cluster.traffic import CHECKOUT, PAYMENT, Traffic
from tests.slack.conftest import ADA, BEN, ROOM, text_of
from tests.support.servers import ClusterServer, PrometheusServer, require
from tests.support.slack_control import Json, SlackControl

NAMESPACE = "payments"
GOOD, BAD = "registry.example.com/payment-service:2.3.1", "registry.example.com/payment-service:2.4.0"
QUESTION = "why is checkout slow since 3 minutes?"
ROOM_ID = "C0PAYINC001"
_CALM_S, _TROUBLE_S = 60.0, 150.0


@dataclass
class Site:
    """A shop in trouble on a real cluster, and Inquest beside it."""

    cluster: ClusterServer
    app: App
    control: SlackControl

    def image(self) -> str:
        found = self.cluster.client.get("deployments", PAYMENT, NAMESPACE)
        return str(found["spec"]["template"]["spec"]["containers"][0]["image"])


def _settings(folder: Path, cluster: ClusterServer, prometheus: PrometheusServer, workspace: Workspace) -> Settings:
    kubernetes = {"url": cluster.url, "token": cluster.token("inquest", "inquest"), "ca_file": cluster.ca_file,
                  "namespaces": [NAMESPACE], "writes": True}  # fmt: skip
    sources = {
        "data_sources": {"kubernetes": kubernetes, "prometheus": {"url": prometheus.url}},
        "squads": {"payment": {"channels": [ROOM], "services": [PAYMENT], "keywords": ["payment"]}},
    }
    (folder / "sources.yaml").write_text(yaml.safe_dump(sources), encoding="utf-8")
    (folder / "access.yaml").write_text(ACCESS_YAML, encoding="utf-8")
    return Settings.model_construct().model_copy(
        update={
            "sources_file": folder / "sources.yaml",
            "default_sweeps": False,
            "access_file": folder / "access.yaml",
            "database_url": SecretStr(f"sqlite:///{folder}/inquest.db"),
            "call_deadline_s": 30.0,
            "slack_mode": SlackMode.SOCKET,
            "slack_bot_token": SecretStr(workspace.bot_token),
            "slack_app_token": SecretStr(workspace.app_token),
            "slack_signing_secret": SecretStr(workspace.signing_secret),
            "slack_api_url": workspace.api_url,
        }
    )


def _shop(cluster: ClusterServer) -> None:
    """Two services at releases that run well; the account may change things in their namespace."""
    cluster.client.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "inquest-change"}
    cluster.client.apply({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
        "metadata": {"name": "inquest-change", "namespace": NAMESPACE}, "roleRef": role,
        "subjects": [{"kind": "ServiceAccount", "name": "inquest", "namespace": "inquest"}],
    })  # fmt: skip
    for name, image, replicas in ((PAYMENT, GOOD, 4), (CHECKOUT, "registry.example.com/checkout:7.0.2", 2)):
        cluster.client.apply(deployment(name, image, replicas=replicas, namespace=NAMESPACE))
    cluster.until(lambda: all(cluster.rolled_out(NAMESPACE, name) for name in (PAYMENT, CHECKOUT)))


@pytest.fixture
async def site(cluster: ClusterServer, tmp_path: Path) -> AsyncIterator[Site]:
    """Calm for a while, then the release, then trouble for a while."""
    _shop(cluster)
    traffic = Traffic(cluster, namespace=NAMESPACE, bad=BAD)
    history = traffic.history(2.0)
    scrape = [
        {"job_name": "shop", "honor_labels": True, "static_configs": [{"targets": [f"127.0.0.1:{traffic.port}"]}]}
    ]
    prometheus = require(
        lambda: PrometheusServer(openmetrics=history, scrape=yaml.safe_dump(scrape, default_flow_style=True))
    )
    traffic.start()
    workspace = Workspace()
    await workspace.start()
    await asyncio.sleep(_CALM_S)
    cluster.client.apply(deployment(PAYMENT, BAD, replicas=4, namespace=NAMESPACE))
    cluster.until(lambda: cluster.rolled_out(NAMESPACE, PAYMENT), what="the bad rollout")
    await asyncio.sleep(_TROUBLE_S)
    app = await App.create(_settings(tmp_path, cluster, prometheus, workspace), os.environ)
    face = await slack_face(app, SlackMode.SOCKET)
    await face.start()
    await app.start(*ALL_PARTS)
    try:
        async with SlackControl(workspace.url) as control:
            yield Site(cluster, app, control)
    finally:
        await face.stop()
        await app.stop()
        await workspace.stop()
        traffic.stop()
        prometheus.stop()


async def _proposal_message(site: Site) -> Json:
    """In the thread of the card, once it is there."""

    async def look() -> Json | None:
        await asyncio.sleep(1)
        for root in await site.control.messages(ROOM):
            for message in await site.control.messages(ROOM, thread_ts=root["ts"]):
                elements = [e for block in message.get("blocks") or [] for e in block.get("elements", [])]
                if any(e.get("action_id") == "prop_approve" for e in elements):
                    return dict(message)
        return None

    try:
        message: Json = await site.control.until(look, within_s=240.0)
    except AssertionError as error:
        raise AssertionError(await _told(site)) from error
    return message


async def _told(site: Site) -> str:
    """What the investigations came to, for the reader of a failure."""
    lines = ["there is no proposal"]
    for state in await site.app.store.investigations():
        lines.append(f"{state.state} {state.reason}")
        if state.report is not None:
            said = state.report.synthesis
            lines += [said.summary, *(f"{h.confidence:.2f} {h.statement}" for h in said.hypotheses)]
            lines += [f"gap: {gap}" for gap in state.report.gaps]
            lines += [f"{name}: {one.headline}" for name, found in state.report.raw_results.items() for one in found]
    return "\n".join(lines)


async def _whispered(site: Site, containing: str) -> None:
    async def look() -> bool:
        return any(containing in text_of(message) for message in await site.control.ephemerals(ROOM_ID))

    await site.control.until(look, within_s=30.0)


async def _reaches(site: Site, proposal: Proposal, wanted: Callable[[ProposalState], bool]) -> Proposal:
    async def look() -> Proposal | None:
        now = await site.app.store.proposal(proposal.id)
        return now if wanted(now.state) else None

    found: Proposal = await site.control.until(look, within_s=660.0)
    return found


async def test_a_click_undoes_the_bad_release_on_a_real_cluster(site: Site, record_property: Any) -> None:
    assert site.image() == BAD
    asked = time.monotonic()
    assert (await site.control.command(ADA, ROOM, "/investigate", "why is checkout slow since 3 minutes?"))[
        "error"
    ] is None
    message = await _proposal_message(site)
    to_proposal = time.monotonic() - asked
    (proposal,) = [p for p in await site.app.store.proposals() if p.call.tool == "rollback_workload"]
    assert "Roll back payment-service to revision 1" in text_of(message)
    assert "2.4.0" in proposal.diff
    assert "2.3.1" in proposal.diff
    assert proposal.cause == "bad_deployment"

    await site.control.click(ADA, message, "prop_approve")
    await _whispered(site, "somebody else has to approve it")
    assert site.image() == BAD

    await site.control.click(BEN, message, "prop_approve")
    await _whispered(site, "Approved. It is carried out now.")
    approved = time.monotonic()
    await _reaches(site, proposal, lambda state: state in (ProposalState.VERIFYING, ProposalState.SUCCEEDED))
    assert site.image() == GOOD, "the rollout is undone on the server"
    site.cluster.until(lambda: site.cluster.rolled_out(NAMESPACE, PAYMENT), what="the rollback")

    done = await _reaches(site, proposal, lambda state: not state.is_open)
    assert done.state is ProposalState.SUCCEEDED, done.outcome_text
    assert len(site.cluster.writes_sent(proposal.id)) == 1, "the server's own record: one write"
    assert await site.app.store.broken_links() == []
    record_property("to_proposal_s", round(to_proposal, 1))
    record_property("to_recovery_s", round(time.monotonic() - approved, 1))
    print(f"\nto the proposal {to_proposal:.1f} s; from approval to verified {time.monotonic() - approved:.1f} s")
    print(done.outcome_text)
