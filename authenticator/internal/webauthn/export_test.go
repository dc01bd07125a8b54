package webauthn

// ClientDataJSON serialises client data of any origin text.
func ClientDataJSON(kind string, challenge []byte, originText string) []byte {
	return clientDataJSON(kind, challenge, &origin{serialized: originText})
}
