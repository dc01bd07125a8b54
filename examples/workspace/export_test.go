package main

// The program, as the tests call it.
var (
	Run  = run
	Main = main
)
