package web

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/lakekey/lakekey/fido/audit"
)

// entry is a record of the audit trail as the page shows it.
type entry struct {
	Number  uint64
	Time    time.Time
	Type    string
	Means   string
	Outcome badge
	Person  string
	By      string
	Why     string
	Rest    []field
}

type field struct{ Name, Value string }

// trailPage shows the audit trail, newest first.
func (s *Site) trailPage(w http.ResponseWriter, r *http.Request, v *visitor) {
	data := struct {
		Query    string
		None     bool // there is no trail to read
		Total    uint64
		Tampered string
		Entries  []entry
		More     uint64
	}{Query: strings.TrimSpace(r.FormValue("q")), None: s.cfg.Trail == nil}
	if !data.None {
		before, _ := strconv.ParseUint(r.FormValue("before"), 10, 64) // what is no number begins at the newest
		page, err := s.cfg.Trail.Records(r.Context(), TrailQuery{Text: data.Query, Before: before, Limit: pageSize})
		if err != nil {
			s.broken(w, r, err)
			return
		}
		data.Total = page.Total
		if page.Verified != nil {
			data.Tampered = page.Verified.Error()
		}
		for i := range page.Records {
			data.Entries = append(data.Entries, enter(&page.Records[i]))
		}
		if n := len(page.Records); page.More && n > 0 {
			data.More = page.Records[n-1].Number
		}
	}
	s.render(w, r, http.StatusOK, "trail", view{Title: "Audit trail", Tab: "trail", Who: v, Data: data})
}

func enter(r *audit.Record) entry {
	e := entry{Number: r.Number, Time: r.Time, Type: r.Event.Type, Person: r.Event.User, By: r.Event.Actor, Why: orElse(r.Event.Rationale, r.Event.Reason)}
	if t, ok := audit.TypeOf(r.Event.Type); ok {
		e.Means = t.Means
	}
	switch {
	case r.Phase == audit.PhaseIntent:
		e.Outcome = badge{"plain", "intended"}
	case r.Event.Outcome == audit.OK:
		e.Outcome = badge{"good", "ok"}
	case r.Event.Outcome != "":
		e.Outcome = badge{"bad", string(r.Event.Outcome)}
	}
	for name, value := range r.Event.Fields() {
		switch name {
		case "type", "outcome", "user", "actor", "rationale", "reason":
		default:
			e.Rest = append(e.Rest, field{strings.ReplaceAll(name, "_", " "), fmt.Sprint(value)})
		}
	}
	return e
}
