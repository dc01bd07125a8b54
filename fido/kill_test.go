//go:build unix

package fido_test

import (
	"bufio"
	"context"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/mod/sumdb/note"

	"github.com/lakekey/lakekey/fido"
	"github.com/lakekey/lakekey/fido/audit"
	"github.com/lakekey/lakekey/fido/sqlite"
)

// What the test binary reads when it is to be the program that gets killed.
const (
	killedDir  = "LAKEKEY_TEST_KILLED_DIR"
	killedStep = "LAKEKEY_TEST_KILLED_STEP" // at which step it kills itself; -1: it is killed from outside
)

func auditKey(t *testing.T, dir string) (note.Signer, note.Verifier) {
	t.Helper()
	signer, key, err := audit.OpenSigner(filepath.Join(dir, "audit.key"), "example.com/audit")
	require.NoError(t, err)
	verifier, err := note.NewVerifier(key)
	require.NoError(t, err)
	return signer, verifier
}

// onDisk is a relying party whose store and log are files.
func onDisk(t *testing.T, dir string, wrap func(fido.Store) fido.Store) (rp *fido.RelyingParty, closed func()) {
	t.Helper()
	file, err := sqlite.Open(t.Context(), filepath.Join(dir, "keys.db"))
	require.NoError(t, err)
	signer, _ := auditKey(t, dir)
	log, err := audit.OpenFile(filepath.Join(dir, "audit.log"), signer, audit.Options{})
	require.NoError(t, err)
	cfg := config()
	cfg.Audit, cfg.InsecureNoAudit = log, false
	return party(t, cfg, wrap(file)), func() {
		require.NoError(t, log.Close())
		require.NoError(t, file.Close())
	}
}

// dying kills its own process before or after one of its writes.
type dying struct {
	fido.Store
	mu       sync.Mutex
	left, at int
}

func (d *dying) step() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.at++; d.left >= 0 && d.at > d.left {
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {} // the signal is on its way; nothing may happen meanwhile
	}
}

func (d *dying) PutCeremony(ctx context.Context, r fido.CeremonyRecord, now time.Time) error {
	d.step()
	defer d.step()
	return d.Store.PutCeremony(ctx, r, now)
}

func (d *dying) TakeCeremony(ctx context.Context, id fido.Hash) (fido.CeremonyRecord, error) {
	d.step()
	defer d.step()
	return d.Store.TakeCeremony(ctx, id)
}

func (d *dying) EnsureUser(ctx context.Context, key string, u fido.User) (fido.User, error) {
	d.step()
	defer d.step()
	return d.Store.EnsureUser(ctx, key, u)
}

func (d *dying) UpdateUser(ctx context.Context, u fido.User) error {
	d.step()
	defer d.step()
	return d.Store.UpdateUser(ctx, u)
}

func (d *dying) AddInvites(ctx context.Context, invites []fido.Invite, replace bool) error {
	d.step()
	defer d.step()
	return d.Store.AddInvites(ctx, invites, replace)
}

func (d *dying) AddCredential(ctx context.Context, c fido.Credential, a fido.Addition) error {
	d.step()
	defer d.step()
	return d.Store.AddCredential(ctx, c, a)
}

func (d *dying) UpdateCredential(ctx context.Context, c fido.Credential) error {
	d.step()
	defer d.step()
	return d.Store.UpdateCredential(ctx, c)
}

// TestKilledProgram is the program that gets killed. It says on standard output
// what has been accepted, each time before it goes on.
func TestKilledProgram(t *testing.T) {
	dir := os.Getenv(killedDir)
	if dir == "" {
		return // it is a part of the tests below, which run it in processes of their own
	}
	step, err := strconv.Atoi(os.Getenv(killedStep))
	require.NoError(t, err)
	counted := &dying{left: step}
	rp, closed := onDisk(t, dir, func(s fido.Store) fido.Store { counted.Store = s; return counted })
	if step >= 0 {
		liveALife(t, rp, ana)
		closed()
		fmt.Println("steps", counted.at)
		return
	}
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			for n := 0; ; n++ {
				liveALife(t, rp, fmt.Sprintf("p%d-%d-%d@example.com", os.Getpid(), i, n))
			}
		})
	}
	wg.Wait()
}

// liveALife takes a person through everything that writes.
func liveALife(t *testing.T, rp *fido.RelyingParty, name string) {
	accepted := func(what string, id []byte) {
		_, _ = os.Stdout.WriteString(fmt.Sprintf("accepted %s %x\n", what, id)) // one write: lines stay whole
	}
	key, second := newForge(t, fido.EdDSA), newForge(t, fido.EdDSA)
	enrol(t, rp, name, key)
	accepted("registered", key.id)
	key.count = 41
	_, err := signIn(t, rp, name, key)
	require.NoError(t, err)
	accepted("signed-in", key.id)
	_, err = rp.Rename(t.Context(), key.id, "blue", eve)
	require.NoError(t, err)
	accepted("renamed", key.id)
	codes, err := rp.IssueRecoveryCodes(t.Context(), key.handle, 2, eve)
	require.NoError(t, err)
	c, err := rp.BeginRegistration(t.Context(), fido.RegistrationRequest{Invite: codes[0]})
	require.NoError(t, err)
	_, err = rp.FinishRegistration(t.Context(), c.ID, second.register(t, c.Options))
	require.NoError(t, err)
	accepted("registered", second.id)
	_, err = rp.Quarantine(t.Context(), second.id, eve)
	require.NoError(t, err)
	_, err = rp.Release(t.Context(), second.id, eve)
	require.NoError(t, err)
	_, err = rp.Revoke(t.Context(), key.id, eve)
	require.NoError(t, err)
	accepted("revoked", key.id)
	_, err = rp.Block(t.Context(), key.handle, eve)
	require.NoError(t, err)
	accepted("blocked", key.handle)
}

// runKilled runs the program, kills it once it has accepted as much as after
// says (0: never), and returns what it had accepted.
func runKilled(t *testing.T, dir string, step, after int) (said []string, ended bool) {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), self, "-test.run=^TestKilledProgram$")
	cmd.Env = append(os.Environ(), killedDir+"="+dir, killedStep+"="+strconv.Itoa(step))
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	in := bufio.NewScanner(out)
	for in.Scan() {
		if line := in.Text(); strings.HasPrefix(line, "accepted ") || strings.HasPrefix(line, "steps ") {
			said = append(said, line)
		}
		if after > 0 && len(said) == after {
			require.NoError(t, cmd.Process.Kill())
		}
	}
	err = cmd.Wait()
	if !cmd.ProcessState.Sys().(syscall.WaitStatus).Signaled() {
		require.NoError(t, err, "%q", said)
		return said, true
	}
	return said, false
}

// inspect opens what a killed program has left.
func inspect(t *testing.T, dir string, said []string) {
	t.Helper()
	rp, closed := onDisk(t, dir, func(s fido.Store) fido.Store { return s })
	// Nothing that was accepted is lost.
	for _, line := range said {
		f := strings.Fields(line)
		if f[0] != "accepted" {
			continue
		}
		id, err := hex.DecodeString(f[2])
		require.NoError(t, err)
		if f[1] == "blocked" {
			u, err := rp.User(t.Context(), id)
			require.NoError(t, err)
			require.NotEmpty(t, u.Blocked)
			continue
		}
		c, err := rp.Credential(t.Context(), id)
		require.NoError(t, err, line)
		switch f[1] {
		case "signed-in":
			require.EqualValues(t, 42, c.SignCount)
		case "renamed":
			require.Equal(t, "blue", c.Name)
		case "revoked":
			require.Equal(t, fido.StateRevoked, c.State)
		}
	}
	// Nothing is half-written: each key is whole, has an owner, and, like each
	// revocation, the record of an intent.
	closed()
	_, verifier := auditKey(t, dir)
	_, err := audit.VerifyFile(filepath.Join(dir, "audit.log"), verifier, audit.VerifyOptions{})
	require.NoError(t, err)
	text, err := os.ReadFile(filepath.Join(dir, "audit.log"))
	require.NoError(t, err)
	intents := map[string]bool{}
	for line := range strings.SplitSeq(string(text), "\n") {
		if strings.Contains(line, `"phase":"intent"`) {
			_, typ, _ := strings.Cut(line, `"type":"`)
			typ, _, _ = strings.Cut(typ, `"`)
			_, hash, _ := strings.Cut(line, `"credential_hash":"`)
			hash, _, _ = strings.Cut(hash, `"`)
			intents[typ+" "+hash] = true
		}
	}
	rp, closed = onDisk(t, dir, func(s fido.Store) fido.Store { return s })
	defer closed()
	for after := []byte(nil); ; {
		page, err := rp.Credentials(t.Context(), fido.CredentialQuery{After: after})
		require.NoError(t, err)
		for _, c := range page {
			owner, err := rp.User(t.Context(), c.UserHandle)
			require.NoError(t, err)
			require.NotEmpty(t, owner.Name)
			require.NotEmpty(t, c.Name)
			_, err = fido.COSEAlgorithm(c.PublicKey)
			require.NoError(t, err)
			require.True(t, intents["credential.registered "+audit.HashID(c.ID)], "a key nobody meant to register")
			if c.State == fido.StateRevoked {
				require.True(t, intents["credential.revoked "+audit.HashID(c.ID)])
			}
			after = c.ID
		}
		if len(page) == 0 {
			break
		}
	}
	// And it goes on from there.
	key := newForge(t, fido.EdDSA)
	enrol(t, rp, ben, key)
	_, err = signIn(t, rp, ben, key)
	require.NoError(t, err)
}

// TestKilledAtEachStep lets the program die, by SIGKILL, before and after each
// write of a person's life.
func TestKilledAtEachStep(t *testing.T) {
	t.Parallel()
	said, ended := runKilled(t, t.TempDir(), 1<<20, 0)
	require.True(t, ended)
	var steps int
	_, err := fmt.Sscanf(said[len(said)-1], "steps %d", &steps)
	require.NoError(t, err)
	require.Greater(t, steps, 20)
	stride := 1
	if testing.Short() {
		stride = 9
	}
	most := 0
	for step := 0; step < steps; step += stride {
		dir := t.TempDir()
		said, ended := runKilled(t, dir, step, 0)
		require.False(t, ended, "step %d of %d", step, steps)
		inspect(t, dir, said)
		most = max(most, len(said))
	}
	require.Greater(t, most, 3, "it died too early to show anything")
}

// TestKilledAnywhere kills the program in the middle of what it does for many
// people at once, again and again on the same files.
func TestKilledAnywhere(t *testing.T) {
	t.Parallel()
	rounds := 12
	if testing.Short() {
		rounds = 2
	}
	dir := t.TempDir()
	var all []string
	r := rand.New(rand.NewPCG(1, 2))
	for range rounds {
		said, ended := runKilled(t, dir, -1, 1+r.IntN(60))
		require.False(t, ended)
		all = append(all, said...)
		inspect(t, dir, all)
	}
}
