"""MySQL 8.0 and later, MariaDB 10.4 and later."""

from connectors.mysql.connector import MysqlConnector

CONNECTOR = MysqlConnector
