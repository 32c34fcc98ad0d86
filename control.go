package main

import (
	"context"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"go.uber.org/zap"

	"zonkeymwi/admin"
	"zonkeymwi/bridge"
	"zonkeymwi/config"
)

// control is the running bridge, as the admin API commands it.
type control struct {
	*bridge.Bridge
	level zap.AtomicLevel
	log   *zap.Logger

	mu     sync.Mutex
	config *config.Config // as last read
	start  *config.Config // as the program started with: what only a restart changes is still as there
}

// Reload reads the configuration again. All of it must be right; then what can
// change in a running bridge does, and the rest is named. A wrong one changes
// nothing.
func (c *control) Reload(context.Context) (admin.Reloaded, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	r, next, err := c.reload()
	if err != nil {
		c.log.Error("the configuration stays as it was", zap.String("event", "reload_failed"), zap.Error(err))
		return r, err
	}
	c.config = next
	c.log.Info("configuration reloaded", zap.String("event", "config_reloaded"),
		zap.Strings("applied", r.Applied), zap.Strings("need_restart", r.NeedRestart))
	return r, nil
}

func (c *control) reload() (r admin.Reloaded, next *config.Config, err error) {
	r = admin.Reloaded{Applied: []string{}, NeedRestart: []string{}}
	if next, err = config.Load(c.config.Path, os.Environ()); err != nil {
		return r, nil, err
	}
	s, err := settingsOf(next)
	if err != nil {
		return r, nil, err
	}
	level, err := zap.ParseAtomicLevel(next.Log.Level)
	if err != nil {
		return r, nil, err
	}
	for _, k := range config.Diff(c.config, next) {
		if k.Reload {
			r.Applied = append(r.Applied, k.String())
		}
	}
	for _, k := range config.Diff(c.start, next) {
		if !k.Reload {
			r.NeedRestart = append(r.NeedRestart, k.String())
		}
	}
	// The template's text may have changed in its file.
	c.Bridge.Reload(s.Live)
	if next.Log.Level != c.config.Log.Level {
		c.level.SetLevel(level.Level())
	}
	return r, next, nil
}

// reloadOnHangup reloads at each SIGHUP until stop is called.
func (c *control) reloadOnHangup() (stop func()) {
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	var work sync.WaitGroup
	work.Go(func() {
		for range hangup {
			_, _ = c.Reload(context.Background()) // it is in the log
		}
	})
	return func() {
		signal.Stop(hangup)
		close(hangup)
		work.Wait()
	}
}
