package doctor

import (
	"context"
	"time"
)

func (c *checkup) template(context.Context) {
	if c.Template == nil {
		return
	}
	a := c.in("settings")
	if err := c.Template(); err != nil {
		a.fault("template", "correct the file, or take sip.template out for the built-in one", "%v", err)
		return
	}
	a.ok("template", "the NOTIFY's template can be used")
}

// clock looks whether ours can be right. CSeq and the subscriptions' expires
// are Unix seconds, and CSeq ends at 2^31 (RFC 3261 8.1.1.5), which is in 2038.
func (c *checkup) clock(context.Context) {
	now, a := c.Now().UTC(), c.in("clock")
	text := now.Format(time.RFC3339)
	if now.Year() < 2025 || now.Unix() >= 1<<31 {
		a.fault("time", "set this machine's clock, and keep it set: timedatectl set-ntp true", "it is %s here, which cannot be", text)
		return
	}
	a.ok("time", "%s", text)
}
