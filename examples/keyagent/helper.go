package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	"github.com/databricks/databricks-sdk-go/config"

	"github.com/lakekey/lakekey/examples/internal/cli"
	"github.com/lakekey/lakekey/internal/origin"
)

// helperName is what the program is called for its cli-helper command to be the
// only one: tools run $DATABRICKS_CLI_PATH with arguments of their own.
const helperName = "keyagent-cli-helper"

// helperVersion is the version of the Databricks CLI whose "auth token" this
// answers like. From v0.296.0 on, tools ask with --force-refresh always, by which
// they mean a token that has not expired: all of ours.
const helperVersion = "1.12.1"

// helper answers the two questions that tools put to the Databricks CLI: for
// Java and for older MLflow, which do not know the metadata service.
func helper(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	if len(args) > 0 && args[0] == "version" {
		return helperSaysVersion(args[1:], stdout, stderr)
	}
	if len(args) < 2 || args[0] != "auth" || args[1] != "token" {
		return cli.Usagef("cli-helper answers \"version\" and \"auth token --host URL\" and nothing else; for the Databricks CLI itself use keyagent exec")
	}
	fs := flag.NewFlagSet("keyagent cli-helper", flag.ContinueOnError)
	host := fs.String("host", "", "the host at `URL`")
	profile := fs.String("profile", "", "the host of the profile `NAME` in .databrickscfg")
	_ = fs.String("account-id", "", "ignored: the agent knows the account `ID`")
	_ = fs.Bool("force-refresh", false, "ignored: no token is handed out that is about to expire")
	_ = fs.String("output", "json", "ignored: the `FORM` is JSON")
	if err := cli.Parse(fs, usage, args[2:], stderr); err != nil {
		return err
	}
	if *profile != "" && *host == "" {
		cfg := &config.Config{Profile: *profile}
		if err := config.ConfigFile.Configure(cfg); err != nil {
			return fmt.Errorf("--profile %s: %v", *profile, err)
		}
		*host = cfg.Host
	}
	where, err := origin.Parse(*host)
	if err != nil {
		return cli.Usagef("--host %s: %v", *host, err)
	}
	// Behind keyagent exec there need be no agent that others find.
	if url := os.Getenv("DATABRICKS_METADATA_SERVICE_URL"); url != "" {
		return fetch(ctx, where, url, stdout)
	}
	p, err := (&choice{host: where}).one(ctx)
	if err != nil {
		return err
	}
	all, err := p.environ(ctx)
	if err != nil {
		return err
	}
	for _, e := range all {
		if e.Host == where {
			return fetch(ctx, where, e.Vars[2][1], stdout)
		}
	}
	return errNone
}

func helperSaysVersion(args []string, stdout, stderr io.Writer) error {
	fs := flag.NewFlagSet("keyagent cli-helper version", flag.ContinueOnError)
	form := fs.String("output", "text", "text or json")
	if err := cli.Parse(fs, usage, args, stderr); err != nil {
		return err
	}
	if *form != "json" {
		_, err := fmt.Fprintf(stdout, "Databricks CLI v%s\n", helperVersion)
		return err
	}
	return json.NewEncoder(stdout).Encode(map[string]any{"ProjectName": helperName, "Version": helperVersion, "Major": 1, "Minor": 12, "Patch": 1})
}

// fetch prints the token that the metadata service has for the host, as "auth
// token" does.
func fetch(ctx context.Context, host, url string, stdout io.Writer) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	req.Header.Set("X-Databricks-Metadata-Version", "1")
	req.Header.Set("X-Databricks-Host", host)
	// Not through a proxy, whatever the environment says.
	resp, err := (&http.Client{Transport: &http.Transport{}}).Do(req)
	if err != nil {
		return fmt.Errorf("the agent does not answer: %w", ctx.Err())
	}
	defer resp.Body.Close()
	var answer struct {
		AccessToken string `json:"access_token"`
		TokenType   string `json:"token_type"`
		ExpiresOn   int64  `json:"expires_on"`
		Description string `json:"error_description"`
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, controlLimit)).Decode(&answer); err != nil {
		return fmt.Errorf("the agent's answer: %v", err)
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("no token: %s", answer.Description)
	}
	return json.NewEncoder(stdout).Encode(map[string]string{
		"access_token": answer.AccessToken, "token_type": answer.TokenType,
		"expiry": time.Unix(answer.ExpiresOn, 0).UTC().Format(time.RFC3339),
	})
}
