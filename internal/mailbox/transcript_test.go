package mailbox_test

import (
	"strings"
	"testing"

	"waybill/internal/mailbox"
	"waybill/internal/mailbox/mailboxtest"
)

// TestTranscripts folds scripts: `state` shows what they mean.
func TestTranscripts(t *testing.T) {
	mailboxtest.Transcripts(t, func() mailboxtest.Interpreter {
		state, script := mailbox.New(), &mailboxtest.Script{Now: 1e15}
		return func(line string) (string, error) {
			if line == "state" {
				return mailboxtest.Show(state), nil
			}
			e, err := script.Event(strings.TrimSpace(line))
			if err != nil {
				return "", err
			}
			pos, at := script.Add(e)
			state.Apply(pos, at, e)
			return "", state.CheckInvariants()
		}
	})
}
