package postgresdb

// Parse returns what an address comes to.
func Parse(address string) (tls, verified bool, host string, params map[string]string, conns int, err error) {
	cfg, conns, err := parse(address)
	if err != nil {
		return false, false, "", nil, 0, err
	}
	tls = cfg.TLSConfig != nil
	for _, f := range cfg.Fallbacks {
		tls = tls && f.TLSConfig != nil
	}
	verified = tls && !cfg.TLSConfig.InsecureSkipVerify
	return tls, verified, cfg.Host, cfg.RuntimeParams, conns, nil
}

// Suits is what Open makes of a server.
func Suits(version int, name, encoding string) error { return suits(version, name, encoding) }
