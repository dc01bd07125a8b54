package keep

// OnStep has what see what a Dir does, step by step.
func OnStep(d *Dir, what func(string)) { d.step = what }

// Unseal reads a file's content.
func Unseal(d *Dir, name string, file []byte) ([]byte, error) { return d.unseal(name, file) }

// Seal makes a file's content.
func Seal(d *Dir, name string, data []byte) []byte { return d.sealed(name, data) }
