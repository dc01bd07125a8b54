package export

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lakekey/lakekey/fido/audit"
)

// Format is how records are written.
type Format string

// The formats.
const (
	OCSF  Format = "ocsf"  // one JSON object per line
	CSV   Format = "csv"   // one row per record, every field a column
	JSONL Format = "jsonl" // the lines of the log, unchanged
)

// Filter chooses records. The zero Filter takes all.
type Filter struct {
	Since, Until time.Time // of records not before Since and before Until; zero: no bound
	Types        []string  // any of these; one that ends in "." or ".*" stands for all that begin so
	User         string    // about or by this person
}

// Match reports whether the filter takes r.
func (f *Filter) Match(r *audit.Record) bool {
	switch {
	case !f.Since.IsZero() && r.Time.Before(f.Since), !f.Until.IsZero() && !r.Time.Before(f.Until):
		return false
	case len(f.Types) > 0 && !slices.ContainsFunc(f.Types, func(t string) bool { return typeMatches(t, r.Event.Type) }):
		return false
	}
	return f.User == "" || strings.EqualFold(f.User, r.Event.User) || strings.EqualFold(f.User, r.Event.Actor)
}

func typeMatches(pattern, typ string) bool {
	prefix := strings.TrimSuffix(pattern, "*")
	return pattern == typ || strings.HasSuffix(prefix, ".") && strings.HasPrefix(typ, prefix)
}

// Writer writes records. It is for one goroutine.
type Writer struct {
	filter  Filter
	format  Format
	out     io.Writer
	csv     *csv.Writer
	names   []string
	people  sessions
	logName string
	written int
}

// NewWriter returns a Writer to w. logName is the name of the log, as its key
// has it; OCSF names it.
func NewWriter(w io.Writer, format Format, logName string, f Filter) (*Writer, error) {
	out := &Writer{filter: f, format: format, out: w, logName: logName, names: audit.FieldNames()}
	switch format {
	case OCSF, JSONL:
		return out, nil
	case CSV:
		out.csv = csv.NewWriter(w)
		if err := out.csv.Write(append([]string{"record", "time", "phase", "id", "intent"}, out.names...)); err != nil {
			return nil, fmt.Errorf("audit/export: %w", err)
		}
		return out, nil
	}
	return nil, fmt.Errorf("audit/export: %q is no format: it must be %s, %s or %s", format, OCSF, CSV, JSONL)
}

// Write writes r if the filter takes it. It must be given all records of the log,
// in order: what one leaves out, an earlier one may say.
func (w *Writer) Write(r *audit.Record) error {
	named := *r
	named.Event.User = w.people.learn(&r.Event)
	if !w.filter.Match(&named) {
		return nil
	}
	w.written++
	var err error
	switch w.format {
	case CSV:
		err = w.csv.Write(w.row(r))
	case JSONL:
		_, err = w.out.Write(append(slices.Clip(r.Line), '\n'))
	default:
		var line []byte
		if line, err = json.Marshal(w.ocsf(&named)); err == nil {
			_, err = w.out.Write(append(line, '\n'))
		}
	}
	if err != nil {
		return fmt.Errorf("audit/export: %w", err)
	}
	return nil
}

// Written returns how many records the filter took.
func (w *Writer) Written() int { return w.written }

// Close writes what is buffered. It does not close what the Writer writes to.
func (w *Writer) Close() error {
	if w.csv == nil {
		return nil
	}
	w.csv.Flush()
	if err := w.csv.Error(); err != nil {
		return fmt.Errorf("audit/export: %w", err)
	}
	return nil
}

func (w *Writer) row(r *audit.Record) []string {
	row := make([]string, 0, 5+len(w.names))
	row = append(row, strconv.FormatUint(r.Number, 10), r.Time.Format(time.RFC3339Nano), r.Phase, r.ID, r.Intent)
	values := map[string]string{}
	for name, v := range r.Event.Fields() {
		switch v := v.(type) {
		case []string:
			values[name] = strings.Join(v, " ")
		default:
			values[name] = fmt.Sprint(v)
		}
	}
	for _, name := range w.names {
		row = append(row, values[name])
	}
	for i := range row[3:] {
		row[3+i] = Cell(row[3+i])
	}
	return row
}

// Cell returns s as a cell that no spreadsheet takes for a formula, nor for several
// cells of which one is: where the comma is for decimals, they part cells at
// semicolons. The full-width signs count as signs in East Asian ones.
// https://owasp.org/www-community/attacks/CSV_Injection
func Cell(s string) string {
	if !strings.ContainsAny(s, formulaSigns) {
		return s
	}
	var cell strings.Builder
	begins := true
	for _, r := range s {
		if begins && strings.ContainsRune(formulaSigns, r) {
			cell.WriteByte('\'')
		}
		cell.WriteRune(r)
		begins = r == ';' || r == '\t' || r == '\r' || r == '\n'
	}
	return cell.String()
}

const formulaSigns = "=+-@\t\r\n＝＋－＠"

// sessions remembers whose sessions are, of the newest: records about the end of
// a session need not say.
type sessions struct {
	users map[string]string
	order []string
}

const maxSessions = 1 << 16

// learn returns whom the event is about, if it or an earlier one says so.
func (s *sessions) learn(e *audit.Event) string {
	known, ok := s.users[e.SessionID]
	switch {
	case e.User == "":
		return known
	case e.SessionID == "" || ok:
		return e.User
	}
	if s.users == nil {
		s.users = map[string]string{}
	}
	if len(s.order) == maxSessions {
		delete(s.users, s.order[0])
		s.order = s.order[1:]
	}
	s.users[e.SessionID] = e.User
	s.order = append(s.order, e.SessionID)
	return e.User
}
