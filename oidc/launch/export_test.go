package launch

// On pretends that a Browser is on another system.
func On(b *Browser, system string) *Browser {
	b.system = system
	return b
}

// Commands are what a Browser would run.
func Commands(b *Browser) [][]string { return b.commands() }
