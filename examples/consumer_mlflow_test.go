package examples_test

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestConsumerMLflow(t *testing.T) {
	consumers(t, "python", "bin", "python3")
	o := newOffice(t)
	const run = "0123456789abcdef0123456789abcdef"
	var logged map[string]any
	for pattern, answer := range map[string]string{
		"GET /api/2.0/mlflow/experiments/get-by-name": `{"experiment":{"experiment_id":"7","name":"x","lifecycle_stage":"active","artifact_location":"dbfs:/7"}}`,
		"POST /api/2.0/mlflow/runs/create":            `{"run":{"info":{"run_id":"` + run + `","run_uuid":"` + run + `","experiment_id":"7","status":"RUNNING","lifecycle_stage":"active"},"data":{}}}`,
		"POST /api/2.0/mlflow/runs/log-metric":        `{}`,
	} {
		o.stubs.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/api/2.0/mlflow/runs/log-metric" {
				_ = json.NewDecoder(r.Body).Decode(&logged)
			}
			w.Header().Set("Content-Type", "application/json")
			_, _ = w.Write([]byte(answer))
		})
	}
	out := o.page(t, "mlflow", append(o.environ(t, "python/bin"), "DO_NOT_TRACK=true"))
	require.Equal(t, "logged to run "+run+"\n", out)
	require.Equal(t, "loss", logged["key"])
	require.InDelta(t, 0.25, logged["value"], 0)
	require.Equal(t, 1, o.mints())
}
