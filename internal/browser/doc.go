// Package browser drives a real Chromium in tests of pages: what a person types,
// clicks and reads, with security keys that Chromium simulates below the page.
//
// Start with [Start], then [Browser.Page] for a window of its own, and
// [Page.PlugIn] for a key. A test that finds no Chromium is skipped and says so.
//
// # Guarantees
//
// Pages of one Browser share no cookies and no keys. Whatever a page's console
// complains about (a script's error, a blocked resource) fails the test, unless
// it was waited for. Nothing is given up before [Patience], which is far longer
// than any step takes.
//
// # Non-goals
//
// Not for programs: it takes a testing.TB everywhere.
package browser
