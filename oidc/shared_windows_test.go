package oidc_test

import "testing"

func (w worker) confine(*testing.T) {}
