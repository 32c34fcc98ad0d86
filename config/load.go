package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
)

// Where Load looks when it is given no path.
const localPath = "zonkeymwi.toml"

var systemPath = "/etc/zonkeymwi/zonkeymwi.toml" // tests have none, where they run beside a bridge too

// Load reads the file at path, or where path is "" the first that exists of
// zonkeymwi.toml and /etc/zonkeymwi/zonkeymwi.toml, and environ (as
// os.Environ) over it. Without a path no file is needed if the environment
// holds all that is required. The error joins every mistake, one a line.
func Load(path string, environ []string) (*Config, error) {
	if path != "" {
		return load([]string{path}, environ)
	}
	cfg, err := load([]string{localPath, systemPath}, environ)
	if !errors.Is(err, errNoFile) || !isConfigured(environ) {
		return cfg, err
	}
	cfg, problems := Parse("", nil, environ)
	if problems != nil {
		return nil, errors.Join(problems, err)
	}
	return cfg, nil
}

var errNoFile = errors.New("copy config.toml.example there and fill it in, or name another file with --config")

// load parses the first of paths that exists.
func load(paths, environ []string) (*Config, error) {
	for _, path := range paths {
		data, err := os.ReadFile(path)
		switch {
		case err == nil:
			return Parse(path, data, environ)
		case errors.Is(err, fs.ErrPermission):
			return nil, fmt.Errorf("%s: cannot be read: %w: let this user read it, or be one who may (ls -l %s)", path, bare(err), path)
		case !errors.Is(err, fs.ErrNotExist):
			return nil, fmt.Errorf("%s: cannot be read: %w", path, bare(err))
		}
	}
	return nil, fmt.Errorf("no configuration: there is no %s: %w", strings.Join(paths, " and no "), errNoFile)
}

// bare is a file error without the path, where that is already said.
func bare(err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err
	}
	return err
}

// Parse reads data as the configuration file called name, and environ over it.
// With name "" the errors name environment variables alone. The error joins
// every mistake, one a line.
func Parse(name string, data []byte, environ []string) (*Config, error) {
	l := newLoader(name)
	if err := l.file(data); err != nil {
		return nil, err
	}
	l.environment(environ)
	l.finish()
	if err := l.faults.join(); err != nil {
		return nil, err
	}
	return l.cfg, nil
}
