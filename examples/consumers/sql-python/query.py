"""Runs one statement on a SQL warehouse: python3 query.py WAREHOUSE_ID."""
import sys
from urllib.parse import urlsplit

from databricks import sql
from databricks.sdk.core import Config

config = Config()
host = urlsplit(config.host)
with sql.connect(
    server_hostname=host.hostname,
    http_path=f"/sql/1.0/warehouses/{sys.argv[1]}",
    credentials_provider=lambda: config.authenticate,
    _port=host.port or 443,
    enable_telemetry=False,  # which goes to port 443, whatever the port is
) as connection, connection.cursor() as cursor:
    cursor.execute("SELECT 1 AS id")
    print("the warehouse says", cursor.fetchone().id)
