package provider

// Reevaluate looks at all keys and says in the log what has become of them.
var Reevaluate = reevaluate
