// Package notebook finds tokens that were left in notebooks, and takes them out.
//
// Databricks tokens, OAuth and refresh tokens, JWTs, private keys and the keys of
// clouds and other services end up in notebooks because a cell printed them, a
// traceback showed them, or somebody typed them. From there they go into version
// control.
//
// # Start here
//
// [NewScanner], then [Scanner.FindFile] and [Scanner.CleanFile]. [Files] lists the
// notebooks below a folder. The program examples/nbclean is a command and a
// pre-commit hook made of these.
//
// # Guarantees
//
//   - Everything in a notebook is searched: outputs, source, metadata, attachments,
//     fields that nobody knows, and keys of objects; also what Jupyter keeps in
//     .ipynb_checkpoints, and notebooks in the source format of Databricks.
//   - A token is found when its text is split over the lines that a notebook is
//     stored in, coloured by a terminal's escapes, escaped as JSON within JSON, or
//     encoded in base64, up to three times over.
//   - [Scanner.Clean] replaces the tokens and nothing else: every other byte stays,
//     unknown fields, order, spaces and line ends too. What it returns is JSON with
//     the same structure. Cleaning it again changes nothing.
//   - Source is never changed unless [Options.Source] says so: code with a hole in it
//     is for a person to mend.
//   - A file is replaced in one step and keeps its mode; one that somebody else writes
//     in the meantime is left alone.
//   - A [Finding] says where and what, never the text: its fingerprint is keyed anew
//     with every Scanner.
//   - Files above a limit are refused, not read.
//
// # Non-goals
//
// What has been in a notebook may be in copies of it, in version control and in
// somebody's browser: a token that was found must be revoked too. A password without
// a shape of its own is found only beside a name such as client_secret, and only when
// it looks random. Archives (.dbc) and HTML exports are not opened. A hard link to a
// file that is cleaned keeps the old content.
//
// # Concurrency
//
// A Scanner is safe for concurrent use.
//
// # Compatibility
//
// Notebooks of nbformat 3 and 4. Tokens of Databricks, OAuth and JOSE are recognised
// here; those of clouds and services by the detectors of package veles in
// github.com/google/osv-scalibr, which Google keeps. The rules of gitleaks would do
// as well, but its library links 60 modules, among them archivers, a terminal toolkit
// and a configuration system; veles links itself. Version 0.4.5 of it is the newest
// that does not raise the Go version and the modules of everybody who imports lakekey.
package notebook
