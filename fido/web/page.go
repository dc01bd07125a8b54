package web

import "net/http"

// enrollPage is for a person who opens an enrolment link in a browser.
const enrollPage = `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Register a security key</title>
<style>
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 40rem; margin: 3rem auto; padding: 0 1rem }
pre { padding: 1rem; overflow-x: auto; border: 1px solid }
</style>
</head>
<body>
<main>
<h1>Register a security key</h1>
<p>This link registers one security key for one person. Keys are registered with the program <code>keyagent</code>,
on the computer where the key is plugged in. Copy this page's whole address, with the part after the <code>#</code>, and run:</p>
<pre><code>keyagent enroll -invite 'LINK' -key usb</code></pre>
<p>Touch the key when it blinks. The quotes matter: without them the shell drops the part after the <code>#</code>.</p>
<p>The part after the <code>#</code> is secret until it has been used. It was not sent to this server when you opened the page.</p>
</main>
</body>
</html>
`

func (e *Enrollment) page(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = w.Write([]byte(enrollPage))
}
