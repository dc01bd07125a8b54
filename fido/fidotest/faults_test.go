package fidotest_test

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/fido"
	"github.com/lakekey/lakekey/fido/fidotest"
)

// faulty is a good store with one fault.
type faulty struct {
	fido.Store
	fault  string
	mu     *sync.Mutex
	shared map[string]fido.Credential
}

// faults are what the suite must find, and in which of its tests.
var faults = map[string]string{
	"none":                            "",
	"ceremonies stay":                 "ceremonies_are_taken_once",
	"ceremonies lose their user":      "ceremonies_are_taken_once",
	"users overwrite each other":      "updates_of_users_compare_and_swap",
	"user pages ignore the prefix":    "users_in_pages",
	"user pages begin with the last":  "users_in_pages",
	"recovery codes pile up":          "a_user's_invitations",
	"invitations need not exist":      "an_invitation_serves_one_credential",
	"no limit":                        "a_limit_of_credentials",
	"devices are anybody's":           "a_device_is_one_person's",
	"credentials overwrite":           "updates_of_credentials_compare_and_swap",
	"names are not updated":           "updates_of_credentials_compare_and_swap",
	"evidence is forgotten":           "credentials",
	"the past is the present":         "credentials_in_pages",
	"revoked keys are reported stale": "credentials_in_pages",
	"pages have no end":               "pages_have_a_limit",
	"values are set anyway":           "values_compare_and_swap",
	"values do not change again":      "values_compare_and_swap",
	"ceremonies are read, then gone":  "a_ceremony_taken_by_many_goes_to_one",
	"ceremonies go before their time": "expired_records_may_go,_others_stay",
	"users are made anew":             "users",
	"users are found by name only":    "users",
	"pages lack their last":           "users_in_pages",
	"invitations stay":                "an_invitation_serves_one_credential",
	"invitations lose their time":     "invitations",
	"keys are anybody's":              "credential_IDs_are_unique_over_all_users",
	"revoked keys count":              "a_limit_of_credentials",
	"refusals use up invitations":     "a_failed_addition_changes_nothing",
	"the newest key first":            "credentials",
	"nobody has keys":                 "credentials",
	"keys are shared memory":          "what_is_returned_is_a_copy",
	"owners change":                   "updates_of_credentials_compare_and_swap",
	"unknown is no error":             "credentials",
}

func (f faulty) TakeCeremony(ctx context.Context, id fido.Hash) (fido.CeremonyRecord, error) {
	r, err := f.Store.TakeCeremony(ctx, id)
	switch {
	case err == nil && f.fault == "ceremonies are read, then gone":
		_ = f.Store.PutCeremony(ctx, r, time.Time{}) // it is still there while others read it, too
		time.Sleep(time.Millisecond)
		_, _ = f.Store.TakeCeremony(ctx, id)
	case err == nil && f.fault == "ceremonies stay":
		_ = f.PutCeremony(ctx, r, time.Time{})
	case f.fault == "ceremonies lose their user":
		r.UserHandle = nil
	}
	return r, err
}

func (f faulty) PutCeremony(ctx context.Context, r fido.CeremonyRecord, now time.Time) error {
	if f.fault == "ceremonies go before their time" && r.Expires.Sub(now) > time.Minute {
		return nil
	}
	return f.Store.PutCeremony(ctx, r, now)
}

func (f faulty) EnsureUser(ctx context.Context, key string, u fido.User) (fido.User, error) {
	stored, err := f.Store.EnsureUser(ctx, key, u)
	if err == nil && f.fault == "users are made anew" {
		u.Revision = 1
		return u, nil
	}
	return stored, err
}

func (f faulty) User(ctx context.Context, handle []byte) (fido.User, error) {
	if f.fault == "users are found by name only" {
		return fido.User{}, fido.ErrNotFound
	}
	return f.Store.User(ctx, handle)
}

func (f faulty) Invite(ctx context.Context, id fido.Hash) (fido.Invite, error) {
	i, err := f.Store.Invite(ctx, id)
	if f.fault == "invitations lose their time" {
		i.Expires = time.Time{}
	}
	return i, err
}

func (f faulty) Credentials(ctx context.Context, handle []byte) ([]fido.Credential, error) {
	all, err := f.Store.Credentials(ctx, handle)
	switch f.fault {
	case "the newest key first":
		slices.Reverse(all)
	case "nobody has keys":
		return nil, nil
	}
	return all, err
}

func (f faulty) UpdateUser(ctx context.Context, u fido.User) error {
	if now, err := f.User(ctx, u.Handle); err == nil && f.fault == "users overwrite each other" {
		u.Revision = now.Revision
	}
	return f.Store.UpdateUser(ctx, u)
}

func (f faulty) ListUsers(ctx context.Context, q fido.UserQuery) ([]fido.User, error) {
	switch f.fault {
	case "pages lack their last":
		page, err := f.Store.ListUsers(ctx, q)
		return page[:max(0, len(page)-1)], err
	case "user pages ignore the prefix":
		q.Prefix = ""
	case "user pages begin with the last":
		if q.After != "" {
			page, err := f.Store.ListUsers(ctx, q)
			last, _ := f.UserByKey(ctx, q.After)
			return append([]fido.User{last}, page[:max(0, len(page)-1)]...), err
		}
	}
	return f.Store.ListUsers(ctx, q)
}

func (f faulty) AddInvites(ctx context.Context, invites []fido.Invite, replace bool) error {
	return f.Store.AddInvites(ctx, invites, replace && f.fault != "recovery codes pile up")
}

func (f faulty) AddCredential(ctx context.Context, c fido.Credential, a fido.Addition) error {
	switch f.fault {
	case "invitations need not exist":
		if a.Invite != nil {
			if _, err := f.Invite(ctx, *a.Invite); err != nil {
				a.Invite = nil
			}
		}
	case "no limit":
		a.Limit = 0
	case "revoked keys count":
		if all, _ := f.Store.Credentials(ctx, c.UserHandle); a.Limit > 0 && len(all) >= a.Limit {
			return fido.ErrLimit
		}
	case "invitations stay":
		if a.Invite != nil {
			if _, err := f.Store.Invite(ctx, *a.Invite); err != nil {
				return fido.ErrInviteInvalid
			}
			a.Invite = nil
		}
	case "refusals use up invitations":
		if i := a.Invite; i != nil {
			if _, err := f.Store.Credential(ctx, c.ID); err == nil {
				invite, _ := f.Store.Invite(ctx, *i)
				invite.ID = fido.Hash{1, 2, 3}
				_ = f.Store.AddInvites(ctx, []fido.Invite{invite}, true)
			}
		}
	case "keys are anybody's":
		if old, err := f.Store.Credential(ctx, c.ID); err == nil && !bytes.Equal(old.UserHandle, c.UserHandle) {
			return nil
		}
	case "devices are anybody's":
		c.SerialHash = nil
	}
	return f.Store.AddCredential(ctx, c, a)
}

func (f faulty) Credential(ctx context.Context, id []byte) (fido.Credential, error) {
	c, err := f.Store.Credential(ctx, id)
	switch f.fault {
	case "evidence is forgotten":
		c.Evidence.Note = ""
	case "unknown is no error":
		return c, nil
	case "keys are shared memory":
		f.mu.Lock()
		defer f.mu.Unlock()
		if kept, ok := f.shared[string(id)]; ok {
			return kept, err
		}
		f.shared[string(id)] = c
	case "owners change":
		f.mu.Lock()
		defer f.mu.Unlock()
		if owner, ok := f.shared[string(id)]; ok {
			c.UserHandle = owner.UserHandle
		}
	}
	return c, err
}

func (f faulty) UpdateCredential(ctx context.Context, c fido.Credential) error {
	if now, err := f.Store.Credential(ctx, c.ID); err == nil {
		switch f.fault {
		case "credentials overwrite":
			c.Revision = now.Revision
		case "names are not updated":
			c.Name = now.Name
		case "owners change":
			f.mu.Lock()
			f.shared[string(c.ID)] = c
			f.mu.Unlock()
		}
	}
	return f.Store.UpdateCredential(ctx, c)
}

func (f faulty) ListCredentials(ctx context.Context, q fido.CredentialQuery) ([]fido.Credential, error) {
	switch f.fault {
	case "the past is the present":
		q.HeldAt = time.Time{}
	case "pages have no end":
		if q.Limit > 1000 && q.State == "" {
			page, err := f.Store.ListCredentials(ctx, q)
			if len(page) == 0 {
				return nil, err
			}
			q.After = page[len(page)-1].ID
			more, _ := f.Store.ListCredentials(ctx, q)
			return append(page, more...), err
		}
	case "revoked keys are reported stale":
		if !q.UnusedSince.IsZero() && q.State == "" && q.After == nil {
			page, err := f.Store.ListCredentials(ctx, q)
			revoked, _ := f.Store.ListCredentials(ctx, fido.CredentialQuery{State: fido.StateRevoked})
			return append(page, revoked...), err
		}
	}
	return f.Store.ListCredentials(ctx, q)
}

func (f faulty) Swap(ctx context.Context, name string, old, fresh []byte) ([]byte, error) {
	if f.fault == "values do not change again" && old != nil {
		old = []byte("never so")
	}
	current, err := f.Store.Swap(ctx, name, old, fresh)
	if f.fault == "values are set anyway" {
		return f.Store.Swap(ctx, name, current, fresh)
	}
	return current, err
}

const faultEnv = "LAKEKEY_TEST_FAULT"

// TestSuiteOnFault is the suite on a faulty store: it fails.
func TestSuiteOnFault(t *testing.T) {
	fault := os.Getenv(faultEnv)
	if fault == "" {
		return // it is a part of TestSuiteFindsFaults, which runs it in processes of their own
	}
	fidotest.TestStore(t, func(*testing.T) fido.Store {
		return faulty{fido.NewMemoryStore(), fault, &sync.Mutex{}, map[string]fido.Credential{}}
	})
}

func TestSuiteFindsFaults(t *testing.T) {
	self, err := os.Executable()
	require.NoError(t, err)
	for fault, where := range faults {
		t.Run(fault, func(t *testing.T) {
			cmd := exec.CommandContext(t.Context(), self, "-test.run=^TestSuiteOnFault$", "-test.short")
			cmd.Env = append(os.Environ(), faultEnv+"="+fault)
			out, err := cmd.CombinedOutput()
			if where == "" {
				require.NoError(t, err, "%s", out)
				return
			}
			require.Error(t, err)
			require.Contains(t, string(out), "--- FAIL: TestSuiteOnFault/"+where+" ")
		})
	}
}
