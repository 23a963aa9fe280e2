"""MongoDB 4.4 and later, and what speaks its wire protocol."""

from connectors.mongodb.connector import MongodbConnector

CONNECTOR = MongodbConnector
