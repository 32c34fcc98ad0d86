//go:build linux

package bench

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"strconv"
	"testing"
	"time"
)

// resyncByHand returns the seconds that the least takes that tells whom to notify,
// and that is reached in plain code: see whoIsBehind.
func (st *stage) resyncByHand(t testing.TB) float64 {
	t.Helper()
	out, err := floorCommand(t, "resync by hand", task{Source: st.source.addr(), Database: st.db.url()}).Output()
	must(t, err)
	var seconds float64
	var behind int
	_, err = fmt.Sscan(string(out), &seconds, &behind)
	must(t, err)
	if behind != changed {
		t.Errorf("by hand %d mailboxes are behind, want %d", behind, changed)
	}
	return seconds
}

// whoIsBehind reads the list into a map of numbers and nothing else, then the
// dialogs with what the ledger has of them, and counts those that show something
// else. It prints the seconds and the count.
func whoIsBehind(work task) error {
	ctx := context.Background()
	db, asterisk, err := askForList(ctx, work)
	if err != nil {
		return err
	}
	start := time.Now()
	held, err := readList(bufio.NewReaderSize(asterisk, 256<<10))
	if err != nil {
		return err
	}
	rows, err := db.Query(ctx, `SELECT w.presentity_uri::text, l.new_messages::text FROM active_watchers AS w LEFT JOIN zonkeymwi_ledger AS l
USING (callid, to_tag, from_tag) WHERE w.event = 'message-summary' AND l.remote_cseq = w.remote_cseq AND l.expires = w.expires AND l.contact = w.contact`)
	if err != nil {
		return err
	}
	same := 0
	for rows.Next() {
		v := rows.RawValues()
		user, _, _ := bytes.Cut(v[0][len("sip:"):], []byte("@"))
		n, _ := strconv.Atoi(string(v[1])) // PostgreSQL wrote it
		if n == held[string(user)] {
			same++
		}
	}
	fmt.Fprintln(os.Stdout, time.Since(start).Seconds(), len(held)-same)
	return rows.Err()
}

// readList returns the new messages of each user in a list.
func readList(r *bufio.Reader) (map[string]int, error) {
	held, user := map[string]int{}, ""
	for {
		line, err := r.ReadSlice('\n')
		if err != nil {
			return nil, err
		}
		switch {
		case bytes.HasPrefix(line, []byte("VoiceMailbox: ")):
			user = string(line[len("VoiceMailbox: ") : len(line)-2])
		case bytes.HasPrefix(line, []byte("NewMessageCount: ")):
			if held[user], err = strconv.Atoi(string(line[len("NewMessageCount: ") : len(line)-2])); err != nil {
				return nil, err
			}
		case bytes.HasPrefix(line, []byte("ListItems: ")):
			return held, nil
		}
	}
}
