"""Writes one metric of one run: python3 track.py EXPERIMENT."""
import sys

import mlflow

mlflow.set_tracking_uri("databricks")
client = mlflow.MlflowClient()
experiment = client.get_experiment_by_name(sys.argv[1])
run = client.create_run(experiment.experiment_id)
client.log_metric(run.info.run_id, "loss", 0.25)
print("logged to run", run.info.run_id)
