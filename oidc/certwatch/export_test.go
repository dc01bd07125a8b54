package certwatch

// ParseJWKS and ParseSAML read a document.
var (
	ParseJWKS = parseJWKS
	ParseSAML = parseSAML
)
