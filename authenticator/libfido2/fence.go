//go:build libfido2 && cgo && (linux || darwin) && !386 && !arm && !mips && !mipsle

package libfido2

/*
static void lakekey_fence(void) { __atomic_thread_fence(__ATOMIC_SEQ_CST); }
*/
import "C"

// fence orders what this goroutine reads next after what others wrote before they
// entered C, and what others read in C after what it wrote: entering and leaving C
// synchronises goroutines in Go's race detector, and the C side does so in hardware.
func fence() { C.lakekey_fence() }
