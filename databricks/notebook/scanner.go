package notebook

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
)

var (
	// ErrNotNotebook says that a file is no notebook that can be cleaned.
	ErrNotNotebook = errors.New("notebook: not a notebook")
	// ErrTooLarge says that a file is above Scanner's limit, and was not read.
	ErrTooLarge = errors.New("notebook: the file is too large to be searched")
)

// MaxSize is how many bytes a notebook may have. Jupyter itself struggles far below.
const MaxSize = 64 << 20

// Scanner finds tokens in notebooks. Make it with [NewScanner].
type Scanner struct {
	fingerprint [sha256.Size]byte // what fingerprints are keyed with
}

// NewScanner returns a Scanner whose fingerprints are those of no other.
func NewScanner() *Scanner {
	s := &Scanner{}
	_, _ = rand.Read(s.fingerprint[:]) // never fails: crypto/rand
	return s
}

// Options says what [Scanner.Clean] may change.
type Options struct {
	// Source lets it take tokens out of source, too. The code may then not run any
	// more, and says where: there is a placeholder in it.
	Source bool
}

// Find returns what a notebook holds: its JSON, or the text of one in the source
// format of Databricks. What is neither is searched as a text: a notebook with the
// marks of a merge conflict in it can be committed, too. Errors are ErrTooLarge and
// those of ctx.
func (s *Scanner) Find(ctx context.Context, data []byte) ([]Finding, error) {
	found, _, err := s.survey(ctx, data)
	return found, err
}

// Clean returns the notebook without what it found, and what it found: what was
// removed, and what is left because it stands in source. Lines and columns are those
// of data. If nothing was removed, cleaned is data itself. Errors are ErrNotNotebook,
// ErrTooLarge and those of ctx.
func (s *Scanner) Clean(ctx context.Context, data []byte, o Options) (cleaned []byte, removed, left []Finding, err error) {
	switch {
	case len(data) > MaxSize:
		return nil, nil, nil, ErrTooLarge
	case !isJSON(data) && !IsSourceFormat(data):
		return nil, nil, nil, ErrNotNotebook
	}
	cleaned = data
	for round := 0; ; round++ {
		found, edits, err := s.survey(ctx, cleaned)
		if err != nil {
			return nil, nil, nil, err
		}
		var todo []edit
		for i, f := range found {
			if f.Area == Source && !o.Source {
				if round == 0 {
					left = append(left, f)
				}
				continue
			}
			removed = append(removed, f)
			// What is left of a text may look like a token again. It seldom does,
			// and never for long.
			if round < maxRounds {
				todo = append(todo, edits[i])
			} else {
				todo = append(todo, edits[i].whole())
			}
		}
		if len(todo) == 0 {
			return cleaned, removed, left, nil
		}
		cleaned = apply(cleaned, todo)
	}
}

const maxRounds = 8

func isJSON(data []byte) bool {
	first := bytes.TrimLeft(data, " \t\r\n")
	return len(first) > 0 && first[0] == '{' && json.Valid(data)
}

// survey finds everything, with what must be done to be rid of each.
func (s *Scanner) survey(ctx context.Context, data []byte) (found []Finding, edits []edit, err error) {
	if len(data) > MaxSize {
		return nil, nil, ErrTooLarge
	}
	lines := newLines(data)
	if !isJSON(data) {
		where := place{area: Elsewhere}
		if IsSourceFormat(data) {
			where.area = Source
		}
		for _, sp := range search(data) {
			if where.area == Source {
				where.cell = cellAt(data, sp.start)
			}
			found = append(found, s.finding(where, sp, data[sp.start:sp.end], lines, sp.start))
			edits = append(edits, edit{kind: sp.kind, parts: []literal{{sp.start, sp.end}}, all: []literal{{0, len(data)}}})
		}
		return found, edits, ctx.Err()
	}
	for _, t := range textsOf(data) {
		if err := ctx.Err(); err != nil {
			return nil, nil, err
		}
		content, starts := t.content(data)
		for _, sp := range t.search(content, starts) {
			e := edit{kind: sp.kind, all: t.literals, parts: t.parts(data, starts, sp)}
			found = append(found, s.finding(t.place, sp, content[sp.start:sp.end], lines, e.parts[0].start))
			edits = append(edits, e)
		}
	}
	return found, edits, nil
}

func (s *Scanner) finding(p place, sp span, secret []byte, l lines, at int) Finding {
	mac := hmac.New(sha256.New, s.fingerprint[:])
	mac.Write(secret)
	line, column := l.position(at)
	return Finding{
		Kind: sp.kind, Area: p.area, Cell: p.cell, Output: p.output, Line: line, Column: column,
		Fingerprint: hex.EncodeToString(mac.Sum(nil)[:4]),
	}
}

// content is what a text says, and where in it each of its literals begins.
func (t text) content(data []byte) (content []byte, starts []int) {
	if len(t.literals) == 1 {
		l := t.literals[0]
		return decode(data[l.start:l.end]), []int{0}
	}
	for _, l := range t.literals {
		starts = append(starts, len(content))
		content = append(content, decode(data[l.start:l.end])...)
	}
	return content, starts
}

// search finds what a text holds as a whole and, since an array of strings need not
// be lines of one text, in each of its literals.
func (t text) search(content []byte, starts []int) []span {
	all := search(content)
	if t.key && len(content) >= shortestKey && tokenValue.Match(content) {
		return []span{{0, len(content), "private-key"}}
	}
	if t.secret && len(all) == 0 && tokenValue.Match(content) && random(content, 0, len(content)) {
		return []span{{0, len(content), "secret"}}
	}
	if len(starts) == 1 {
		return all
	}
	for i, start := range starts {
		end := len(content)
		if i+1 < len(starts) {
			end = starts[i+1]
		}
		for _, sp := range search(content[start:end]) {
			all = append(all, span{start + sp.start, start + sp.end, sp.kind})
		}
	}
	return merge(all)
}

// parts are the bytes of the file that a span of a text's content comes from.
func (t text) parts(data []byte, starts []int, sp span) (parts []literal) {
	for i, l := range t.literals {
		lit := data[l.start:l.end]
		if i+1 < len(starts) && starts[i+1] <= sp.start {
			continue
		}
		if starts[i] >= sp.end {
			break
		}
		from, to := written(lit, sp.start-starts[i], sp.end-starts[i])
		if from >= 0 {
			parts = append(parts, literal{l.start + from, l.start + to})
		}
	}
	return parts
}
