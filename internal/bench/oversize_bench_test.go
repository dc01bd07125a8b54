package bench

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/fido"
	"github.com/lakekey/lakekey/fido/web"
)

// oversize is what a stranger may send who means no good.
const oversize = 64 << 20

// endless is a body of that size which takes no memory by itself.
type endless struct{ left int64 }

func (e *endless) Read(p []byte) (int, error) {
	n := min(int64(len(p)), e.left)
	if e.left -= n; n == 0 {
		return 0, io.EOF
	}
	for i := range p[:n] {
		p[i] = '['
	}
	return int(n), nil
}

// benchmarkOversize reports what a refusal costs: less than a millisecond and a
// mebibyte.
func benchmarkOversize(b *testing.B, refuse func() error) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for b.Loop() {
		if err := refuse(); err != nil {
			b.Fatal(err)
		}
	}
	runtime.ReadMemStats(&after)
	b.ReportMetric(float64(b.Elapsed())/float64(b.N)/float64(time.Millisecond), "ms/refusal(<1)")
	b.ReportMetric(float64(after.TotalAlloc-before.TotalAlloc)/float64(b.N)/(1<<20), "MiB/refusal(<1)")
}

func BenchmarkOversize(b *testing.B) {
	store := fido.NewMemoryStore()
	rp := signInParty(b, store, nil)
	newSigner(b, store)
	b.Run("sign-in", func(b *testing.B) {
		body := bytes.Repeat([]byte{'['}, oversize)
		benchmarkOversize(b, func() error {
			c, err := rp.BeginSignIn(b.Context(), fido.SignInRequest{UserName: "ana@example.com"})
			if err != nil {
				return err
			}
			_, err = rp.FinishSignIn(b.Context(), c.ID, fido.PurposeSignIn, body)
			if refused, ok := errors.AsType[*fido.VerificationError](err); !ok || refused.Check != "size" {
				return errors.New("it was not refused for its size")
			}
			return nil
		})
	})
	b.Run("registration", func(b *testing.B) {
		body := bytes.Repeat([]byte{'['}, oversize)
		invite, err := rp.Invite(b.Context(), "ana@example.com", time.Hour)
		require.NoError(b, err)
		benchmarkOversize(b, func() error {
			c, err := rp.BeginRegistration(b.Context(), fido.RegistrationRequest{Invite: invite})
			if err != nil {
				return err
			}
			_, err = rp.FinishRegistration(b.Context(), c.ID, body)
			if refused, ok := errors.AsType[*fido.VerificationError](err); !ok || refused.Check != "size" {
				return errors.New("it was not refused for its size")
			}
			return nil
		})
	})
	b.Run("web", func(b *testing.B) {
		site, err := web.New(rp, web.Config{
			Origins: []string{signInOrigin}, Limits: web.Limits{AddressPerMinute: 1 << 40, AddressBurst: 1 << 40},
		})
		require.NoError(b, err)
		benchmarkOversize(b, func() error {
			r := httptest.NewRequestWithContext(b.Context(), http.MethodPost, signInOrigin+"/enroll/credential", &endless{oversize})
			r.Header.Set("Content-Type", "application/json")
			w := httptest.NewRecorder()
			if site.ServeHTTP(w, r); w.Code != http.StatusRequestEntityTooLarge {
				return errors.New(w.Body.String())
			}
			return nil
		})
	})
}
