"""Says who is signed in. There is nothing about credentials in here."""
from databricks.sdk import WorkspaceClient

w = WorkspaceClient()
print("signed in as", w.current_user.me().user_name)
print("clusters:", [c.cluster_name for c in w.clusters.list()])
