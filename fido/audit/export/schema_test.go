package export_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/fido/audit"
	"github.com/lakekey/lakekey/fido/audit/export"
)

// schema is what testdata/ocsf-1.8.0.json holds: the attributes of each class and
// object as "type[] required deprecated value|value".
type schema struct {
	Classes map[string]definition
	Objects map[string]definition
}

type definition struct {
	Attributes  map[string]string
	Constraints map[string][]string
}

func readSchema(t testing.TB) *schema {
	t.Helper()
	b, err := os.ReadFile("testdata/ocsf-1.8.0.json")
	require.NoError(t, err)
	var s schema
	require.NoError(t, json.Unmarshal(b, &s))
	require.Len(t, s.Classes, 4)
	return &s
}

// check returns what is wrong with v as an object of the definition.
func (s *schema) check(at string, d definition, v map[string]any) (wrong []string) {
	complain := func(format string, args ...any) { wrong = append(wrong, at+": "+fmt.Sprintf(format, args...)) }
	for name, spec := range d.Attributes {
		if _, ok := v[name]; !ok && slices.Contains(strings.Fields(spec), "required") {
			complain("%s is required", name)
		}
	}
	for kind, names := range d.Constraints {
		n := 0
		for _, name := range names {
			if _, ok := v[name]; ok {
				n++
			}
		}
		if n == 0 || kind == "just_one" && n > 1 {
			complain("%s of %q", kind, names)
		}
	}
	for name, value := range v {
		spec, ok := d.Attributes[name]
		if !ok {
			complain("%s is no attribute", name)
			continue
		}
		words := strings.Fields(spec)
		if slices.Contains(words, "deprecated") {
			complain("%s is deprecated", name)
		}
		typ, array := strings.CutSuffix(words[0], "[]")
		values := []any{value}
		if array {
			if values, ok = value.([]any); !ok {
				complain("%s is no array", name)
			}
		}
		for _, one := range values {
			wrong = append(wrong, s.checkValue(at+"."+name, typ, words[len(words)-1], one)...)
		}
	}
	return wrong
}

func (s *schema) checkValue(at, typ, enum string, v any) []string {
	bad := func(why string) []string { return []string{fmt.Sprintf("%s: %v is %s", at, v, why)} }
	switch x := v.(type) {
	case map[string]any:
		if typ == "object" || typ == "json_t" {
			return nil // unmapped: anything
		}
		d, ok := s.Objects[typ]
		if !ok {
			return bad("no " + typ)
		}
		return s.check(at, d, x)
	case bool:
		if typ != "boolean_t" {
			return bad("no " + typ)
		}
	case json.Number:
		if !slices.Contains([]string{"integer_t", "long_t", "timestamp_t"}, typ) {
			return bad("no " + typ)
		}
		if strings.Contains(enum, "|") || len(enum) < 5 && enum != typ {
			if !slices.Contains(strings.Split(enum, "|"), x.String()) {
				return bad("not one of " + enum)
			}
		}
	case string:
		switch typ {
		case "string_t", "username_t", "hostname_t", "uuid_t":
			if x == "" {
				return bad("empty")
			}
		case "ip_t":
			if _, err := netip.ParseAddr(x); err != nil {
				return bad("no address")
			}
		default:
			return bad("no " + typ)
		}
	default:
		return bad("nothing the schema knows")
	}
	return nil
}

// The check itself must be able to fail.
func TestTheCheckFindsMistakes(t *testing.T) {
	s := readSchema(t)
	good := `{"time":1,"class_uid":3002,"category_uid":3,"activity_id":1,"type_uid":300201,"severity_id":1,"user":{"name":"a"},"service":{"name":"x"},"metadata":{"version":"1.8.0","product":{"name":"lakekey"}}}`
	for _, c := range []struct{ old, new, want string }{
		{"", "", ""},
		{`"time":1,`, ``, "time is required"},
		{`"category_uid":3`, `"category_uid":4`, "not one of 3"},
		{`"activity_id":1`, `"activity_id":42`, "not one of"},
		{`"severity_id":1`, `"severity_id":"1"`, "no integer_t"},
		{`"name":"a"`, `"nick":"a"`, "nick is no attribute"},
		{`{"name":"a"}`, `{}`, "at_least_one"},
		{`"service":{"name":"x"},`, ``, "at_least_one"},
		{`"name":"a"`, `"name":""`, "empty"},
		{`"product":{"name":"lakekey"}`, `"uid":"x"`, "product is required"},
		{`"name":"a"`, `"name":"a","credential_uid":"x"`, "deprecated"},
		{`"time":1`, `"time":1,"src_endpoint":{"ip":"x:1"}`, "no address"},
		{`"time":1`, `"time":1,"auth_factors":{"factor_type_id":10}`, "no array"},
		{`"time":1`, `"time":1,"auth_factors":[{"factor_type_id":55}]`, "not one of"},
	} {
		wrong := s.checkEvent(t, strings.Replace(good, c.old, c.new, 1))
		if c.want == "" {
			require.Empty(t, wrong)
		} else {
			require.Contains(t, strings.Join(wrong, "\n"), c.want)
		}
	}
}

func (s *schema) checkEvent(t testing.TB, line string) []string {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(line))
	d.UseNumber()
	var v map[string]any
	require.NoError(t, d.Decode(&v))
	class, ok := s.Classes[fmt.Sprint(v["class_uid"])]
	require.True(t, ok, line)
	wrong := s.check("event", class, v)
	if v["type_uid"].(json.Number).String() != fmt.Sprintf("%d", number(t, v["class_uid"])*100+number(t, v["activity_id"])) {
		wrong = append(wrong, "type_uid is not class_uid * 100 + activity_id")
	}
	return wrong
}

func number(t testing.TB, v any) int64 {
	n, err := v.(json.Number).Int64()
	require.NoError(t, err)
	return n
}

// Every type of event, with every field and with none, of every outcome and
// phase, is an event of the published schema.
func TestEveryTypeFitsTheSchema(t *testing.T) {
	s := readSchema(t)
	signer, _, _, err := audit.NewSigner("idp.example.com/audit")
	require.NoError(t, err)
	l := audit.NewMemory(signer, audit.Options{})
	n := 0
	types := append(audit.EventTypes(), audit.EventType{Name: "somebody.elses"})
	for _, typ := range types {
		for _, e := range []audit.Event{{}, filled("x"), filled("192.0.2.1:4711"), {Purpose: "registration"}} {
			e.Type = typ.Name
			for _, o := range []audit.Outcome{"", audit.OK, audit.Denied, audit.Failed} {
				e.Outcome = o
				require.NoError(t, l.Append(t.Context(), e))
				n++
			}
			e.Outcome = ""
			in, err := l.Begin(t.Context(), e)
			require.NoError(t, err)
			require.NoError(t, in.End(t.Context(), audit.OK, e))
			n += 2
		}
	}
	var out bytes.Buffer
	w, err := export.NewWriter(&out, export.OCSF, "idp.example.com/audit", export.Filter{})
	require.NoError(t, err)
	each(t, l, w.Write)
	require.NoError(t, w.Close())
	require.Equal(t, n, w.Written())
	classes := map[string]int{}
	for line := range strings.Lines(out.String()) {
		require.Empty(t, s.checkEvent(t, line), line)
		var v struct {
			Class int `json:"class_uid"`
		}
		require.NoError(t, json.Unmarshal([]byte(line), &v))
		classes[fmt.Sprint(v.Class)]++
	}
	require.Len(t, classes, 4, "%v", classes)
}

func filled(s string) (e audit.Event) {
	v := reflect.ValueOf(&e).Elem()
	for i := range v.NumField() {
		switch f := v.Field(i); f.Kind() {
		case reflect.String:
			f.SetString(s)
		case reflect.Bool:
			f.SetBool(true)
		case reflect.Uint32:
			f.SetUint(7)
		}
	}
	e.AMR = []string{s}
	return e
}

// each gives fn the records of a log.
func each(t testing.TB, l *audit.Log, fn func(*audit.Record) error) {
	t.Helper()
	var b bytes.Buffer
	_, err := l.WriteTo(&b)
	require.NoError(t, err)
	_, err = audit.Verify(&b, nil, audit.VerifyOptions{InsecureNoCheckpoint: true, Each: fn})
	require.NoError(t, err)
}
