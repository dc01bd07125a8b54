// Package launch brings the person's browser to a sign-in: it opens one, or tells
// the person at the terminal which address to open, and takes the address that a
// browser on another machine ended at.
//
// # Start here
//
// [New] makes a [*Browser], an oidc.Browser and oidc.Paster:
//
//	session, err := oidc.SignInBrowser(ctx, issuer, launch.New(os.Getenv, os.Stdin, os.Stderr), request)
//
// # Where the browser is
//
// In this order:
//
//   - $BROWSER, commands with : in between, as xdg-open and Python read it. Editors
//     that run on another machine than their window set it, and it then opens the
//     browser at the window.
//   - In the Windows Subsystem for Linux: wslview, else Windows' own handler of
//     addresses.
//   - Windows and macOS: what opens addresses there, unless the program was
//     started over SSH, where the screen is not the person's.
//   - Elsewhere xdg-open, if there is a display.
//
// Else, and whenever a command fails, the address is printed. It is always printed,
// as people have more than one browser. A browser that runs on another machine, or
// in one whose loopback interface is not this one's, ends at a page that it cannot
// load: the person copies that page's address and pastes it into the terminal.
//
// # Guarantees
//
//   - Commands get the address as one argument; no shell reads it. It is http or
//     https, and cannot be taken for a flag.
//   - What is typed while nobody is asked to paste stays where it is: the terminal
//     is read only when a line is there, and no longer than the sign-in lasts.
//   - Nothing here reads the environment by itself: programs pass os.Getenv.
//
// # Non-goals
//
// On Windows nothing can be pasted; browsers there are on the same machine.
//
// # Concurrency
//
// A Browser serves one sign-in at a time.
package launch
