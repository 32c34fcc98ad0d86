package main

import (
	"context"
	"fmt"
	"io"
	"strings"
)

// completionCommand prints a script that completes commands and flags.
func completionCommand(_ context.Context, args []string, out, errs io.Writer) int {
	a := newArguments("completion", out, errs)
	if code, ok := a.parse(args); !ok {
		return code
	}
	var names []string
	for _, c := range commands() {
		first, _, _ := strings.Cut(c.name, " ")
		names = append(names, first)
	}
	words := strings.Join(names, " ")
	switch a.words[0] {
	case "bash":
		fmt.Fprintf(out, bashCompletion, words)
	case "zsh":
		fmt.Fprintf(out, "#compdef zonkeymwi\nautoload -U +X bashcompinit && bashcompinit\n"+bashCompletion, words)
	case "fish":
		fmt.Fprintf(out, fishCompletion, words)
	default:
		return a.misused("unknown shell %q", a.words[0])
	}
	return exitDone
}

const bashCompletion = `_zonkeymwi() {
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}
	[ "$COMP_CWORD" != 1 ] || prev=zonkeymwi # by whatever path it was called
	case $prev in
		zonkeymwi) COMPREPLY=($(compgen -W "%s" -- "$cur")) ;;
		show) COMPREPLY=($(compgen -W "subscription" -- "$cur")) ;;
		debug) COMPREPLY=($(compgen -W "on off" -- "$cur")) ;;
		completion) COMPREPLY=($(compgen -W "bash zsh fish" -- "$cur")) ;;
		--config|-config) COMPREPLY=($(compgen -f -- "$cur")) ;;
		*) COMPREPLY=($(compgen -W "--config --json --help" -- "$cur")) ;;
	esac
}
complete -F _zonkeymwi zonkeymwi
`

const fishCompletion = `complete -c zonkeymwi -f
complete -c zonkeymwi -n __fish_use_subcommand -a "%s"
complete -c zonkeymwi -n "__fish_seen_subcommand_from show" -a subscription
complete -c zonkeymwi -n "__fish_seen_subcommand_from debug" -a "on off"
complete -c zonkeymwi -n "__fish_seen_subcommand_from completion" -a "bash zsh fish"
complete -c zonkeymwi -l config -r -F
complete -c zonkeymwi -l json
`
