package terminal

import "golang.org/x/sys/windows"

// flush drops what was typed and not read.
func flush(fd uintptr) { _ = windows.FlushConsoleInputBuffer(windows.Handle(fd)) }
