// Package cli is what the programs in examples share about being programs: how
// they begin and end, how they tell a wrong command line, what they show of what others say, and a flag that may be given
// several times.
//
// Start with [Run].
package cli
