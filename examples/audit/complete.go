package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/lakekey/lakekey/fido/audit"
)

func completeFlags(fs *flag.FlagSet, o *options) {
	fs.StringVar(&o.from, "from", "", "`FILE` with the older checkpoint, from where the log's writer could not change it")
	fs.StringVar(&o.to, "to", "", "`FILE` with the newer checkpoint; the newest of the log if empty")
	fs.StringVar(&o.out, "out", "", "`FILE` for the proof; none is kept if empty")
	fs.StringVar(&o.check, "check", "", "`FILE` with a proof to check, instead of a log")
}

func complete(ctx context.Context, o *options, stdout io.Writer) error {
	switch {
	case o.check != "" && o.log != "":
		return errors.New("-check needs no -log: give one of them")
	case o.from == "":
		return errors.New("-from is missing: the checkpoint with which the period begins, such as one that was kept off the host")
	}
	from, err := readSmall("-from", o.from)
	if err != nil {
		return err
	}
	if o.check != "" {
		return checkGrowth(o, from, stdout)
	}
	s, err := o.open(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	to, err := o.newer(ctx, s)
	if err != nil {
		return err
	}
	log, err := s.reader(ctx)
	if err != nil {
		return err
	}
	defer log.Close()
	proof, err := audit.ProveGrowth(log, o.verifier, from, to)
	if err != nil {
		return err
	}
	grown, err := audit.CheckGrowth(proof, o.verifier, from)
	if err != nil {
		return refuted{err}
	}
	if o.out != "" {
		if err := o.write(stdout, bytes.NewReader(proof)); err != nil {
			return err
		}
	}
	sayGrown(stdout, grown)
	var between population
	if _, err := o.verified(ctx, func(r *audit.Record) error {
		between.add(r, grown)
		return nil
	}); err != nil {
		return err
	}
	between.say(stdout)
	return nil
}

func (o *options) newer(ctx context.Context, s *source) ([]byte, error) {
	if o.to == "" {
		return s.checkpoint(ctx)
	}
	return readSmall("-to", o.to)
}

func checkGrowth(o *options, from []byte, stdout io.Writer) error {
	proof, err := readSmall("-check", o.check)
	if err != nil {
		return err
	}
	grown, err := audit.CheckGrowth(proof, o.verifier, from)
	if err != nil {
		return refuted{err}
	}
	sayGrown(stdout, grown)
	return nil
}

func sayGrown(w io.Writer, g *audit.Growth) {
	fmt.Fprintf(w, "complete: from %d to %d records the log has only grown: the %d in between are all that were written, unchanged and in their order\n", g.From, g.To, g.To-g.From)
	fmt.Fprintf(w, "root of the %d: %s\nroot of the %d: %s\n", g.From, g.FromRoot, g.To, g.ToRoot)
}

// population counts the records between two checkpoints.
type population struct {
	types       map[string]int
	first, last time.Time
}

func (p *population) add(r *audit.Record, g *audit.Growth) {
	if r.Number <= g.From || r.Number > g.To {
		return
	}
	if p.types == nil {
		p.types, p.first = map[string]int{}, r.Time
	}
	p.last = r.Time
	if r.Phase != audit.PhaseIntent {
		p.types[r.Event.Type]++
	}
}

func (p *population) say(w io.Writer) {
	if len(p.types) == 0 {
		return
	}
	fmt.Fprintf(w, "between %s and %s, by type (announcements not counted):\n", p.first.Format(time.RFC3339), p.last.Format(time.RFC3339))
	for _, t := range slices.Sorted(maps.Keys(p.types)) {
		fmt.Fprintf(w, "%8d  %s\n", p.types[t], t)
	}
}
