// Package workload makes sessions of the tokens that CI systems and clusters give
// to jobs, where no person is and no key can be touched.
//
// # Start here
//
// [Detect] finds out where a job runs; [GitHub], [AzureDevOps], [Variable] (GitLab
// and others) and [File] (Kubernetes and others) say so themselves. [NewSession]
// makes a [*Session] of the [Source], which takes the place of an *oidc.Session
// wherever a databricks.Session is wanted. What it can do there is what the
// federation policy of a service principal says about the job's subject.
//
// # Guarantees
//
//   - Nothing is kept: a job's token is asked for when it is used, held in memory
//     and renewed ahead of its end, one request at a time for each audience, and
//     a source that fails is left alone for a while.
//   - A token goes on only if it is a signed JWT for exactly the audience that
//     was asked, good now and for no longer than a day: what lives for longer is
//     the secret that this replaces.
//   - The address that a CI system names gets the job's credential over https
//     (or on loopback), and no redirect is followed.
//   - Tokens do not print.
//
// # Non-goals
//
// The signature is not checked here: whoever takes the token does that, and only
// its verdict counts. So the session claims no acr and no amr, and what it says
// about the subject is what the token says. Nothing here reads the environment by
// itself: programs pass os.Getenv.
//
// # Concurrency
//
// Everything is safe for concurrent use.
package workload
