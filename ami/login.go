package ami

import (
	"cmp"
	"context"
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"strings"
)

// login reads the banner, starts the reader and logs in.
func (s *Session) login(ctx context.Context) error {
	r := newReader(s.conn, s.mailbox)
	if err := s.banner(ctx, r); err != nil {
		return err
	}
	s.tasks.Go(func() { s.read(r) })
	proof, err := s.proof(ctx)
	if err != nil {
		return err
	}
	// Only the classes that carry what Handler knows, whatever else the user may read.
	headers := append(proof, Header{"Username", s.cfg.Username}, Header{"Events", "call,user,system"})
	_, err = s.Do(ctx, "Login", headers...)
	return err
}

// banner reads the first line, "Asterisk Call Manager/11.0.0".
func (s *Session) banner(ctx context.Context, r *reader) error {
	line, err := r.line()
	if err != nil {
		return fmt.Errorf("no greeting from Asterisk (a TLS port wants tls, a TCP port does not): %w", cmp.Or(context.Cause(ctx), err))
	}
	if !strings.HasPrefix(string(line), "Asterisk Call Manager/") {
		return fmt.Errorf("this is not an Asterisk Manager Interface: its greeting is %.60q", line)
	}
	return nil
}

// proof is how Login shows that we know the secret.
func (s *Session) proof(ctx context.Context) ([]Header, error) {
	if s.cfg.Plain {
		return []Header{{"Secret", s.cfg.Secret}}, nil
	}
	m, err := s.Do(ctx, "Challenge", Header{"AuthType", "MD5"})
	if err != nil {
		return nil, err
	}
	sum := md5.Sum([]byte(m.Get("Challenge") + s.cfg.Secret))
	return []Header{{"AuthType", "MD5"}, {"Key", hex.EncodeToString(sum[:])}}, nil
}
