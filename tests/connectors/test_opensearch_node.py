"""The OpenSearch connector on a real node: every clause of the contract, and the same answers as the double gives."""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from connectors.errors import ConnectorError
from connectors.model import Limits
from tests.connectors import test_opensearch_contract as contract
from tests.connectors.elasticsearch_data import MAPPINGS, documents
from tests.support.opensearch_double import OpenSearchDouble
from tests.support.servers import OpensearchServer, require

pytestmark = [pytest.mark.servers, pytest.mark.xdist_group("opensearch")]


@pytest.fixture(scope="module")
def node() -> Iterator[OpensearchServer]:
    server = require(OpensearchServer)
    try:
        server.load(documents(), MAPPINGS)
        yield server
    finally:
        server.stop()


class TestOpenSearchNodeContract(contract.TestOpenSearchContract):
    """The node has no accounts, so only the wrong password is asked of the double."""

    @pytest.fixture(autouse=True)
    async def _server(self, node: OpensearchServer) -> AsyncIterator[None]:
        self.node = node
        async with OpenSearchDouble(documents(), MAPPINGS, password=contract.PASSWORD) as self.server:
            yield

    def make(self) -> Any:
        return self._make(self.node.url, contract.PASSWORD)

    async def fingerprint(self) -> str:
        """Every document, every mapping and setting."""
        found = [self.node.send("GET", f"/{index}/_search?size=1000&sort=_id") for index in sorted(MAPPINGS)]
        kept = [hits["hits"]["hits"] for hits in found]
        state = [kept, self.node.send("GET", "/_all/_mapping"), self.node.send("GET", "/_cluster/settings")]
        return hashlib.sha256(json.dumps(state, sort_keys=True).encode()).hexdigest()

    async def test_the_double_answers_as_the_node_does(self) -> None:
        real, double = self.make(), self._make(self.server.url, contract.PASSWORD)
        try:
            for call in self.calls():
                if call.tool in {"run_query", "search_runbooks"}:  # names of nodes; scores of a whole search engine
                    continue
                answers = [await one.call(call, Limits()) for one in (real, double)]
                assert answers[0].payload == answers[1].payload, call.tool
        finally:
            await real.close()
            await double.close()

    async def test_the_nodes_own_refusals_are_named(self) -> None:
        real = self.make()
        wrong = {"method": "POST", "path": "/logs-app/_search", "body": {"query": {"match": {"@timestamp": "zz"}}}}
        try:
            with pytest.raises(ConnectorError) as caught:
                await real.call(self.call("run_query", request=json.dumps(wrong)), Limits())
        finally:
            await real.close()
        assert caught.value.kind == "rejected"
        assert "Traceback" not in str(caught.value)
        assert len(str(caught.value)) < 600
