package config

import (
	"regexp"
	"slices"
	"strings"
)

// serviceLink matches what Kubernetes sets in each pod for a Service called
// zonkeymwi or zonkeymwi-something. Those variables are not settings.
var serviceLink = regexp.MustCompile(`^[A-Z0-9_]+(_SERVICE_HOST=|_SERVICE_PORT(_[A-Z0-9_]+)?=|` +
	`_PORT=(tcp|udp|sctp)://|_PORT_[0-9]+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?=)`)

// isOurs tells whether an entry of the environment is meant for us.
func isOurs(entry string) bool {
	return strings.HasPrefix(entry, envPrefix) && !serviceLink.MatchString(entry)
}

// isConfigured tells whether the environment sets anything of ours.
func isConfigured(environ []string) bool { return slices.ContainsFunc(environ, isOurs) }

// environment applies the variables over what the file said.
func (l *loader) environment(environ []string) {
	byEnv := map[string]*Key{}
	for i := range l.keys {
		byEnv[l.keys[i].Env()] = &l.keys[i]
	}
	for _, entry := range environ {
		name, value, _ := strings.Cut(entry, "=")
		if !isOurs(entry) {
			continue
		}
		if k, ok := byEnv[name]; ok {
			l.override(k, value)
		} else {
			l.unknownVariable(name)
		}
	}
}

// override sets k from its variable. Of a secret and its file the environment
// chooses anew: what the file chose is dropped.
func (l *loader) override(k *Key, value string) {
	if other := l.companion(k); other != nil && value != "" && l.from[other].variable == "" {
		_ = other.store(l.cfg, "") // both are strings
		delete(l.from, other)
	}
	l.set(k, value, place{variable: k.Env()})
}

// companion is the other way to give the same secret, nil when there is none.
func (l *loader) companion(k *Key) *Key {
	if k.Secret {
		return l.byName[k.String()+"_file"]
	}
	if k.into != nil {
		return l.byName[strings.TrimSuffix(k.String(), "_file")]
	}
	return nil
}
