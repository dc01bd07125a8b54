package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/lakekey/lakekey/examples/internal/cli"
)

// completion prints what a shell completes: commands first, flags after a dash,
// files otherwise.
func completion(_ context.Context, args []string, stdout, stderr io.Writer) error {
	fs := flag.NewFlagSet("keyagent completion", flag.ContinueOnError)
	if err := cli.Parse(fs, usage, args, stderr); err != nil {
		return err
	}
	script := map[string]string{"bash": bashCompletion, "zsh": zshCompletion, "fish": fishCompletion}[fs.Arg(0)]
	if script == "" || fs.NArg() != 1 {
		return cli.Usagef("which shell? keyagent completion bash, zsh or fish")
	}
	var words []string
	for _, c := range commands() {
		words = append(words, c.name)
	}
	_, err := fmt.Fprintf(stdout, script, strings.Join(words, " "), strings.Join(flagNames(), " "))
	return err
}

// flagNames are the flags of signing in, which all commands share or ignore none
// of: a shell offers them, and the command says when one is not its.
func flagNames() []string {
	var s settings
	fs := flag.NewFlagSet("", flag.ContinueOnError)
	s.register(fs)
	names := []string{"-locked", "-invite", "-json"}
	fs.VisitAll(func(f *flag.Flag) { names = append(names, "-"+f.Name) })
	slices.Sort(names)
	return names
}

const bashCompletion = `# keyagent, for bash: source <(keyagent completion bash)
_keyagent() {
  local word=${COMP_WORDS[COMP_CWORD]} i
  for ((i = 1; i < COMP_CWORD; i++)); do
    [[ ${COMP_WORDS[i]} == -- ]] && { COMPREPLY=($(compgen -c -f -- "$word")); return; }
  done
  case $word in
    -*) COMPREPLY=($(compgen -W "%[2]s" -- "$word")) ;;
    *) ((COMP_CWORD == 1)) && COMPREPLY=($(compgen -W "%[1]s" -- "$word")) || COMPREPLY=($(compgen -f -- "$word")) ;;
  esac
}
complete -F _keyagent keyagent
`

const zshCompletion = `#compdef keyagent
# keyagent, for zsh: source <(keyagent completion zsh)
_keyagent() {
  if [[ $words[CURRENT] == -* ]]; then
    compadd -- %[2]s
  elif ((CURRENT == 2)); then
    compadd -- %[1]s
  else
    _files
  fi
}
compdef _keyagent keyagent
`

const fishCompletion = `# keyagent, for fish: keyagent completion fish | source
complete -c keyagent -n __fish_use_subcommand -f -a "%[1]s"
for flag in %[2]s
  complete -c keyagent -o (string sub -s 2 -- $flag)
end
`
