package sipmsg

import (
	"fmt"
	"strings"
)

// Target computes the Request-URI and the Route of an in-dialog request from
// the remote target and the dialog's route set, `<a>,<b>` in the order
// received (RFC 3261 12.2.1.1). With a strict router (no lr parameter) first,
// that router becomes the Request-URI and the target goes to the end.
func Target(remote, routeSet string) (requestURI, route string, err error) {
	if strings.TrimSpace(routeSet) == "" {
		return remote, "", nil
	}
	routes, err := splitRoutes(routeSet)
	if err != nil {
		return "", "", err
	}
	if loose(routes[0]) {
		return remote, strings.Join(routes, ","), nil
	}
	first := routes[0][1:strings.IndexByte(routes[0], '>')]
	return first, strings.Join(append(routes[1:], "<"+remote+">"), ","), nil
}

// splitRoutes returns the entries, each `<uri>` with its parameters and without
// a display name. Inside < and > a comma is part of the URI.
func splitRoutes(set string) ([]string, error) {
	var routes []string
	for rest := set; ; {
		open := strings.IndexByte(rest, '<')
		shut := strings.IndexByte(rest, '>')
		if open < 0 || shut < open {
			return nil, fmt.Errorf("record_route %q: want <uri>,<uri>", set)
		}
		end := shut + 1
		for end < len(rest) && rest[end] != ',' {
			end++
		}
		routes = append(routes, strings.TrimSpace(rest[open:end]))
		if end == len(rest) {
			return routes, nil
		}
		rest = rest[end+1:]
	}
}

// loose tells whether the URI in a route has the lr parameter.
func loose(route string) bool {
	uri, _, _ := strings.Cut(route[1:], ">")
	uri, _, _ = strings.Cut(uri, "?")
	for _, p := range strings.Split(uri, ";")[1:] {
		name, _, _ := strings.Cut(p, "=")
		if strings.EqualFold(name, "lr") {
			return true
		}
	}
	return false
}
