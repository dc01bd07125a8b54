package metadata

// FindUser and ParseDiag give the tests the parsers of what the kernel says, and
// AskKernel and SearchTables the two ways to ask it.
var (
	FindUser     = findUser
	ParseDiag    = parseDiag
	DiagID       = diagID
	AskKernel    = askKernel
	SearchTables = searchTables
)
