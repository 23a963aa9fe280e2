"""Real servers on free loopback ports and temporary directories, each stopped by its own process handle.

A server that is not installed skips its tests, naming the line that installs it; with CI=true it fails them.
"""

from tests.support.servers.alertmanager import AlertmanagerServer
from tests.support.servers.clickhouse import ClickhouseServer
from tests.support.servers.cluster import ClusterServer
from tests.support.servers.ferretdb import FerretdbServer
from tests.support.servers.mariadb import MariadbServer
from tests.support.servers.opensearch import OpensearchServer
from tests.support.servers.postgres import PostgresServer
from tests.support.servers.process import MissingServer, require
from tests.support.servers.prometheus import PrometheusServer
from tests.support.servers.redis import RedisServer

__all__ = [
    "AlertmanagerServer",
    "ClickhouseServer",
    "ClusterServer",
    "FerretdbServer",
    "MariadbServer",
    "MissingServer",
    "OpensearchServer",
    "PostgresServer",
    "PrometheusServer",
    "RedisServer",
    "require",
]
