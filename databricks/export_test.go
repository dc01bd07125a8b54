package databricks

// ParseAccountID gives the fuzz test the parser of discovery documents.
func ParseAccountID(body []byte) (string, error) {
	doc, err := parseWellKnown(body)
	return doc.AccountID, err
}

// ParseMe gives the fuzz test the parser of whose a token is.
var ParseMe = parseMe
