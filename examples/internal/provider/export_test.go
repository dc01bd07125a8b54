package provider

import "context"

// Reevaluate looks at all keys and says in the log what has become of them.
var Reevaluate = reevaluate

// StopLooking leaves it to [Provider.Look] to look at the clients file.
func (p *Provider) StopLooking() { p.registry.stop() }

// Look looks at the clients file.
func (p *Provider) Look(ctx context.Context) { p.registry.look(ctx) }
