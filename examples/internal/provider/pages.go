package provider

import (
	"context"
	"fmt"
	"io"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"golang.org/x/mod/sumdb/note"

	"github.com/lakekey/lakekey/fido"
	"github.com/lakekey/lakekey/fido/audit"
	"github.com/lakekey/lakekey/fido/web"
)

// openPages makes the pages on which people and administrators look after keys.
func openPages(u *url.URL, rp *fido.RelyingParty, log *audit.Log, verifierKey string, cfg Config) (*web.Site, error) {
	key, err := note.NewVerifier(verifierKey)
	if err != nil {
		return nil, fmt.Errorf("reading the key of the audit log: %v", err)
	}
	proxies, err := networks(cfg.Proxies)
	if err != nil {
		return nil, err
	}
	return web.New(rp, web.Config{
		Origins:        []string{u.Scheme + "://" + u.Host},
		Name:           "lakekey at " + u.Host,
		Trail:          trail{log, key},
		TrustedProxies: proxies,
		Logger:         cfg.Logger,
	})
}

// networks reads addresses and networks. One that holds everybody is none of
// proxies: then whoever asks would say where they are.
func networks(texts []string) ([]netip.Prefix, error) {
	var all []netip.Prefix
	for _, text := range texts {
		p, err := netip.ParsePrefix(text)
		if a, single := netip.ParseAddr(text); single == nil {
			p, err = a.Unmap().Prefix(a.Unmap().BitLen())
		}
		if err != nil || p.Bits() == 0 {
			return nil, fmt.Errorf("-proxy %q: give the address of a proxy, or its network such as 10.0.0.0/24", text)
		}
		all = append(all, p)
	}
	return all, nil
}

// trail reads the audit log from its beginning each time, and verifies it on the
// way: what an administrator is shown is what an auditor would find. A log of
// millions of records wants an index of its own.
type trail struct {
	log *audit.Log
	key note.Verifier
}

func (t trail) Records(ctx context.Context, q web.TrailQuery) (*web.TrailPage, error) {
	checkpoint, err := t.log.Checkpoint(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading the audit log: %w", err)
	}
	text, end := io.Pipe()
	go func() {
		_, err := t.log.WriteTo(end)
		end.CloseWithError(err)
	}()
	defer text.Close()
	page, wanted := &web.TrailPage{}, strings.ToLower(q.Text)
	_, page.Verified = audit.Verify(text, t.key, audit.VerifyOptions{Checkpoints: [][]byte{checkpoint}, Each: func(r *audit.Record) error {
		page.Total++
		if q.Before > 0 && r.Number >= q.Before || !strings.Contains(strings.ToLower(string(r.Line)), wanted) {
			return ctx.Err()
		}
		if len(page.Records) == q.Limit {
			page.More = true
			page.Records = slices.Delete(page.Records, 0, 1)
		}
		page.Records = append(page.Records, *r)
		return ctx.Err()
	}})
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	slices.Reverse(page.Records)
	return page, nil
}
