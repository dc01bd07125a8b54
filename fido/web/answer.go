package web

import (
	"encoding/json"
	"net/http"
)

func answer(w http.ResponseWriter, status int, v any) { answerPadded(w, status, v, 1) }

// answerPadded fills the answer up with spaces, which JSON allows at its end, to
// a multiple of size bytes. How long a list of credentials is must not show in
// the length of an encrypted answer.
func answerPadded(w http.ResponseWriter, status int, v any, size int) {
	b, err := json.Marshal(v)
	if err != nil {
		http.Error(w, `{"error":"server_error"}`, http.StatusInternalServerError)
		return
	}
	for len(b)%size != size-1 {
		b = append(b, ' ')
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(append(b, '\n'))
}

func refuse(w http.ResponseWriter, status int, code, description string) {
	answer(w, status, map[string]string{"error": code, "error_description": description})
}
