package mds_test

import (
	"bytes"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/fido/mds"
	"github.com/lakekey/lakekey/fido/mds/mdstest"
)

// The environment of a test binary that is to be one of many processes on a file.
const (
	childURL  = "LAKEKEY_TEST_MDS_URL"
	childFile = "LAKEKEY_TEST_MDS_FILE"
	childRoot = "LAKEKEY_TEST_MDS_ROOT"
)

func TestChild(t *testing.T) {
	if os.Getenv(childURL) == "" {
		return // it is a part of TestProcessesShareAFile, which runs it in processes of their own
	}
	der, err := base64.StdEncoding.DecodeString(os.Getenv(childRoot))
	require.NoError(t, err)
	root, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	last, now := 0, time.Date(2029, 12, 15, 0, 0, 0, 0, time.UTC)
	for range 40 {
		now = now.Add(48 * time.Hour) // every look is due
		s, err := mds.NewSource(mds.SourceConfig{
			URL: os.Getenv(childURL), File: os.Getenv(childFile), Roots: []*x509.Certificate{root}, Interval: time.Hour,
			Now: func() time.Time { return now }, InsecureSkipRevocation: true,
		})
		require.NoError(t, err)
		if err := s.Refresh(t.Context()); err != nil {
			require.ErrorContains(t, err, "was seen before", "the one thing that may happen: others were quicker")
		}
		b, err := s.Current(t.Context())
		require.NoError(t, err)
		require.GreaterOrEqual(t, b.Number, last)
		last = b.Number
	}
	fmt.Println("done")
}

// TestProcessesShareAFile: four processes fetch blobs whose numbers race ahead
// and lag behind, and keep them in one file. What is on disk never goes back, and
// is whole at every moment.
func TestProcessesShareAFile(t *testing.T) {
	ca := mdstest.New(t, mdstest.Options{})
	var count, highest atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		n := count.Add(1)
		number := n - n%3 // 0 0 3 3 3 6: some answers are older than others
		for h := highest.Load(); number > h && !highest.CompareAndSwap(h, number); h = highest.Load() {
		}
		w.Write(ca.Blob(t, due(int(number), "2199-01-01")))
	}))
	defer server.Close()
	file := t.TempDir() + "/mds.jwt"
	stop, seen := make(chan struct{}), make(chan error)
	go func() { seen <- watch(file, stop) }()
	var group sync.WaitGroup
	for i := range 4 {
		group.Go(func() {
			child := exec.Command(os.Args[0], "-test.run=^TestChild$", "-test.count=1")
			child.Env = append(os.Environ(), childURL+"="+server.URL, childFile+"="+file,
				childRoot+"="+base64.StdEncoding.EncodeToString(ca.Roots()[0].Raw))
			out, err := child.CombinedOutput()
			if err != nil || !bytes.Contains(out, []byte("done")) {
				t.Errorf("process %d: %v\n%s", i, err, out)
			}
		})
	}
	group.Wait()
	close(stop)
	require.NoError(t, <-seen)
	require.Greater(t, count.Load(), int64(40))
	number, err := stateOf(file)
	require.NoError(t, err)
	require.Equal(t, int(highest.Load()), number)
}

// watch reads the state over and over.
func watch(file string, stop <-chan struct{}) error {
	last := 0
	for {
		select {
		case <-stop:
			return nil
		default:
		}
		n, err := stateOf(file)
		switch {
		case os.IsNotExist(err):
		case err != nil:
			return err
		case n < last:
			return fmt.Errorf("the number went from %d to %d", last, n)
		}
		last = max(last, n)
		if blob, err := os.ReadFile(file); err == nil {
			if _, err := mds.SignedBy(blob); err != nil {
				return fmt.Errorf("the file is not whole: %w", err)
			}
		}
		time.Sleep(time.Millisecond)
	}
}

func stateOf(file string) (int, error) {
	text, err := os.ReadFile(file + ".state")
	if err != nil {
		return 0, err
	}
	var state struct {
		Number json.Number `json:"no"`
	}
	if err := json.Unmarshal(text, &state); err != nil {
		return 0, fmt.Errorf("%v in %q", err, text)
	}
	return strconv.Atoi(state.Number.String())
}
