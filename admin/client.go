package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"syscall"

	"zonkeymwi/bridge"
)

// answerCap is the longest answer that a client reads, in bytes.
const answerCap = 64 << 20

// Client asks a running bridge. Its errors are for an operator to read.
type Client struct {
	addr, token string
	http        *http.Client
}

// NewClient makes a client of the bridge at addr, which is admin.listen as it
// is configured: where that is every address, it asks on loopback. The token is
// "" where the bridge needs none.
func NewClient(addr, token string) *Client {
	if host, port, err := net.SplitHostPort(addr); err == nil {
		if ip, err := netip.ParseAddr(host); host == "" || err == nil && ip == netip.IPv4Unspecified() {
			addr = net.JoinHostPort("127.0.0.1", port)
		} else if err == nil && ip.IsUnspecified() {
			addr = net.JoinHostPort("::1", port)
		}
	}
	return &Client{addr: addr, token: token, http: &http.Client{
		Timeout:       writeTime,
		Transport:     &http.Transport{DisableKeepAlives: true}, // one question a command; no proxy from the environment
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// Status is the bridge as a whole.
func (c *Client) Status(ctx context.Context) (s Status, err error) {
	err = c.call(ctx, "GET", "status", nil, &s)
	return s, err
}

// User is all that is known of one user's lamp.
func (c *Client) User(ctx context.Context, user, domain string) (u bridge.User, err error) {
	if err := checkUser(user, domain); err != nil {
		return u, err // an empty part would make another path
	}
	err = c.call(ctx, "GET", "users/"+url.PathEscape(domain)+"/"+url.PathEscape(user), nil, &u)
	return u, err
}

// Notify sends counts to the user's phones, or with nil the mailbox's true
// state, and returns what each answered; that takes up to 40 s.
func (c *Client) Notify(ctx context.Context, user, domain string, counts *bridge.Counts) (r bridge.Resent, err error) {
	err = c.call(ctx, "POST", "notify", notifyRequest{user, domain, counts}, &r)
	return r, err
}

// Deliveries are the last NOTIFYs that came to their end, newest first.
func (c *Client) Deliveries(ctx context.Context) (d []bridge.Delivery, err error) {
	err = c.call(ctx, "GET", "deliveries", nil, &d)
	return d, err
}

// Waiting are mailboxes that are not converged, oldest first, from 1 to 1000.
func (c *Client) Waiting(ctx context.Context, limit int) (w []bridge.Waiting, err error) {
	err = c.call(ctx, "GET", "waiting?limit="+strconv.Itoa(limit), nil, &w)
	return w, err
}

// Reload reads the configuration again. With an error nothing has changed.
func (c *Client) Reload(ctx context.Context) (r Reloaded, err error) {
	err = c.call(ctx, "POST", "reload", nil, &r)
	return r, err
}

// Debug turns whole NOTIFYs in the log on or off.
func (c *Client) Debug(ctx context.Context, on bool) error {
	return c.call(ctx, "PUT", "debug", debugRequest{&on}, nil)
}

type level struct {
	Level string `json:"level"`
}

// Level is the log's level: debug, info, warn or error.
func (c *Client) Level(ctx context.Context) (string, error) {
	var l level
	err := c.call(ctx, "GET", "level", nil, &l)
	return l.Level, err
}

// SetLevel changes the log's level until the next start.
func (c *Client) SetLevel(ctx context.Context, name string) error {
	return c.call(ctx, "PUT", "level", level{name}, nil)
}

// call asks one question; answer may be nil.
func (c *Client) call(ctx context.Context, method, path string, question, answer any) error {
	var body bytes.Buffer
	if question != nil {
		if err := json.NewEncoder(&body).Encode(question); err != nil {
			return err
		}
	}
	r, err := http.NewRequestWithContext(ctx, method, "http://"+c.addr+"/api/v1/"+path, &body)
	if err != nil {
		return fmt.Errorf("admin.listen: %w", err)
	}
	if c.token != "" {
		r.Header.Set("Authorization", "Bearer "+c.token)
	}
	response, err := c.http.Do(r)
	if err != nil {
		return c.unreached(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, answerCap))
	if err != nil {
		return c.unreached(err)
	}
	if response.StatusCode != http.StatusOK {
		return c.refused(response, text)
	}
	if answer != nil && json.Unmarshal(text, answer) != nil {
		return c.stranger(response)
	}
	return nil
}

// unreached says in plain words why there was no answer.
func (c *Client) unreached(err error) error {
	var op *net.OpError
	var no syscall.Errno
	var timeout net.Error
	switch {
	case errors.Is(err, context.Canceled):
		return err
	case errors.As(err, &no) && errors.As(err, &op) && op.Op == "dial":
		return fmt.Errorf("no bridge answers at %s: is it running? (%w)", c.addr, no)
	case errors.As(err, &op) && op.Op == "dial":
		return fmt.Errorf("no bridge answers at %s: is it running? (%w)", c.addr, op.Err)
	case errors.As(err, &timeout) && timeout.Timeout():
		return fmt.Errorf("the bridge at %s does not answer in time", c.addr)
	}
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		err = wrapped.Err
	}
	return fmt.Errorf("the bridge at %s broke off: %w", c.addr, err)
}

func (c *Client) refused(r *http.Response, text []byte) error {
	var said struct {
		Error string `json:"error"`
	}
	switch {
	case r.StatusCode == http.StatusUnauthorized && c.token == "":
		return fmt.Errorf("the bridge at %s wants a token: set admin.token_file", c.addr)
	case r.StatusCode == http.StatusUnauthorized:
		return errors.New("the token was refused: admin.token_file")
	case json.Unmarshal(text, &said) != nil || said.Error == "":
		return c.stranger(r)
	}
	return errors.New(said.Error)
}

func (c *Client) stranger(r *http.Response) error {
	return fmt.Errorf("what answers at %s is no zonkeymwi, or one of another version (%s): admin.listen", c.addr, r.Status)
}
