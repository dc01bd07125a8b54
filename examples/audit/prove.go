package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"

	"github.com/lakekey/lakekey/fido/audit"
)

func proveFlags(fs *flag.FlagSet, o *options) {
	fs.Uint64Var(&o.record, "record", 0, "number `N` of the record, from 1: its line in the log, or \"seq\" in it")
	fs.StringVar(&o.out, "out", "", "`FILE` for the proof, by convention .tlog-proof; standard output if empty")
	fs.StringVar(&o.check, "check", "", "`FILE` with a proof to check, instead of a log")
}

func prove(ctx context.Context, o *options, stdout io.Writer) error {
	switch {
	case o.check != "" && o.log != "":
		return errors.New("-check needs no -log: give one of them")
	case o.check != "":
		return checkProof(o, stdout)
	case o.record == 0:
		return errors.New("-record is missing: which one? Records are counted from 1")
	case len(o.checkpoints) > 1:
		return errors.New("prove takes one -checkpoint: the one that whoever gets the proof knows")
	}
	s, err := o.open(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	kept, err := o.kept()
	if err != nil {
		return err
	}
	if len(kept) == 0 {
		newest, err := s.checkpoint(ctx)
		if err != nil {
			return err
		}
		kept = append(kept, newest)
	}
	log, err := s.reader(ctx)
	if err != nil {
		return err
	}
	defer log.Close()
	proof, err := audit.ProveRecord(log, o.verifier, kept[0], o.record)
	if err != nil {
		return err
	}
	if err := o.write(stdout, bytes.NewReader(proof)); err != nil {
		return err
	}
	if o.out != "" {
		fmt.Fprintf(stdout, "proven: %s says that record %d is in the log; check it with\n  audit prove -check %s -key '%s'\n", o.out, o.record, o.out, o.key)
	}
	return nil
}

func checkProof(o *options, stdout io.Writer) error {
	proof, err := readSmall("-check", o.check)
	if err != nil {
		return err
	}
	got, err := audit.CheckRecord(proof, o.verifier)
	if err != nil {
		return refuted{err}
	}
	fmt.Fprintf(stdout, "proven: this is record %d of the first %d of %s\n%s\nroot of the %d: %s\nCompare the root with a checkpoint that you have from elsewhere.\n",
		got.Record.Number, got.Records, o.verifier.Name(), got.Record.Line, got.Records, got.Root)
	return nil
}
