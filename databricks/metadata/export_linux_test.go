package metadata

// FindUser gives the tests the parser of the kernel's tables.
var FindUser = findUser
