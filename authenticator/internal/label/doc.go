// Package label makes what a key, or whoever made it, says of itself fit to be shown
// to a person.
//
// Start with [Of].
package label
