"""What the connectors of Elasticsearch and OpenSearch share: the query DSL, its answers, the tools over both."""
