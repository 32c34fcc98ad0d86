package ami

import (
	"strings"
	"testing"
)

func TestEntryForms(t *testing.T) {
	const plain = "Event: VoicemailUserEntry\r\nActionID: a-1\r\nVMContext: d\r\nVoiceMailbox: 202\r\nFullname: (null)\r\n" +
		"OldMessageCount: 10\r\nNewMessageCount: 2\r\nIMAPServer: \r\n\r\n"
	want := state{Mailbox{"202@d", 2, 10, true}, "a-1"}
	edit := func(pairs ...string) string { return strings.NewReplacer(pairs...).Replace(plain) }
	for name, c := range map[string]struct {
		stream string
		want   []state
		short  bool // can be taken in place
	}{
		"plain":                {plain, []state{want}, true},
		"as captured":          {block(t, "pipelined-actions-with-events-between", "Event: VoicemailUserEntry"), []state{{Mailbox{"200@default", 1, 0, true}, "lst"}}, true},
		"no space":             {edit(": ", ":", "Event: V", "Event: V"), []state{want}, true},
		"more space":           {edit("VMContext: ", "VMContext: \t "), []state{want}, true},
		"no context":           {edit("VMContext: d", "VMContext: "), []state{{Mailbox{"202", 2, 10, true}, "a-1"}}, true},
		"no action":            {edit("ActionID: a-1\r\n", ""), []state{{want.Mailbox, ""}}, true},
		"two actions":          {edit("ActionID: a-1", "ActionID: a-1\r\nActionID: b-2"), []state{want}, true},
		"a bare action":        {edit("ActionID: a-1", "ActionID\r\nActionID: b-2"), []state{{want.Mailbox, ""}}, true},
		"an empty action":      {edit("ActionID: a-1", "ActionID:\r\nActionID: b-2"), []state{{want.Mailbox, ""}}, true},
		"twice":                {edit("VoiceMailbox", "NewMessageCount: 7\r\nVoiceMailbox: 999\r\nVoiceMailbox"), []state{want}, true},
		"a carriage return":    {edit("202", "202\r"), []state{{Mailbox{"202\r@d", 2, 10, true}, "a-1"}}, true},
		"odd lines":            {edit("Fullname: (null)", "\r\r\nno colon\r\nVolGain: 0"), []state{want}, true},
		"other case":           {edit("VoiceMailbox", "VOICEMAILBOX"), []state{want}, false},
		"other letters":        {edit("NewMessageCount", "NewMeſſageCount"), []state{want}, false},
		"line feeds":           {edit("\r\n", "\n"), []state{want}, false},
		"one line feed":        {edit("(null)\r", "(null)"), []state{want}, false},
		"many lines":           {edit("Fullname", strings.Repeat("x\r\n", maxHeaders)+"Fullname"), []state{want}, false},
		"much":                 {edit("(null)", strings.Repeat("x", maxLine)), []state{want}, false},
		"no mailbox":           {edit("VoiceMailbox: 202\r\n", ""), nil, false},
		"no new":               {edit("NewMessageCount: 2\r\n", ""), nil, false},
		"not a number":         {edit("OldMessageCount: 10", "OldMessageCount: 10x"), nil, false},
		"another event's name": {edit("UserEntry\r", "UserEntryComplete\r"), nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			short, long := states(c.stream)
			equal(t, "short", short, c.want)
			equal(t, "long", long, c.want)
			if _, n := parseEntry([]byte(c.stream)); (n == len(c.stream)) != c.short || n != 0 != c.short {
				t.Errorf("parsed in place: %d of %d bytes", n, len(c.stream))
			}
			next, _ := states(c.stream + plain)
			equal(t, "then the next entry", next, append(c.want[:len(c.want):len(c.want)], want))
		})
	}
}

// However little of an entry has come, it is not taken for a whole one.
func TestEntryIncomplete(t *testing.T) {
	entry := block(t, "pipelined-actions-with-events-between", "Event: VoicemailUserEntry")
	for cut := range entry {
		if e, n := parseEntry([]byte(entry[:cut])); n != 0 {
			t.Fatalf("cut at %d: %+v", cut, e)
		}
	}
}
