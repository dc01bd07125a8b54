package notebook

import (
	"io/fs"
	"os"
)

// own does nothing: a new file has the access list of its folder.
func own(*os.File, fs.FileInfo) {}
