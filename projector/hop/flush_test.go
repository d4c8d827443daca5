package hop

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"

	"waybill/internal/eventlog"
)

// membersOf are n members with a context each, ended by the function of the same
// number.
func membersOf(t *testing.T, n int) (members []member, lose []context.CancelFunc) {
	t.Helper()
	for i := range n {
		ctx, cancel := context.WithCancel(t.Context())
		members, lose = append(members, member{ctx: ctx, cut: &cut{stretch: stretch{partition: int32(i)}}}), append(lose, cancel)
	}
	return members, lose
}

func partitionsOf(members []member) (all []int32) {
	for _, m := range members {
		all = append(all, m.cut.partition)
	}
	return all
}

// TestTheRestGoesOnWithoutTheLost: members are lost while something is stored.
func TestTheRestGoesOnWithoutTheLost(t *testing.T) {
	lost, away := fmt.Errorf("commit: %w", eventlog.ErrLost), errors.New("the brokers are away")
	for _, test := range []struct {
		name string
		says []error // the first call and those after it
		lose []int   // members, one at each call
		want []int32
		err  error
	}{
		{"nobody is lost", []error{nil}, nil, []int32{0, 1, 2}, nil},
		{"one is lost", []error{lost, nil}, []int{1}, []int32{0, 2}, nil},
		{"one after the other", []error{lost, lost, nil}, []int{1, 0}, []int32{2}, nil},
		{"one is lost, but it was stored", []error{nil}, []int{1}, []int32{0, 1, 2}, nil},
		{"nobody knows who is lost", []error{lost}, nil, nil, eventlog.ErrLost},
		{"all are lost", []error{lost, lost, lost}, []int{0, 1, 2}, nil, eventlog.ErrLost},
		{"it fails otherwise", []error{away}, []int{1}, []int32{0, 1, 2}, away},
	} {
		t.Run(test.name, func(t *testing.T) {
			members, lose := membersOf(t, 3)
			calls := 0
			left, err := withoutLost(members, func(of []member) error {
				if got := len(present(of)); got != len(of) {
					t.Errorf("call %d: %d of %d members are lost already", calls, len(of)-got, len(of))
				}
				if calls < len(test.lose) {
					lose[test.lose[calls]]()
				}
				calls++
				return test.says[calls-1]
			})
			if !errors.Is(err, test.err) || calls != len(test.says) {
				t.Errorf("%v after %d calls, want %v after %d", err, calls, test.err, len(test.says))
			}
			if got := partitionsOf(left); !slices.Equal(got, test.want) {
				t.Errorf("stored for %v, want %v", got, test.want)
			}
		})
	}
}

// TestAFlushLastsAsLongAsAnyMember, and its context no longer than the flush.
func TestAFlushLastsAsLongAsAnyMember(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		members, lose := membersOf(t, 2)
		ctx, over := whileAny(members)
		lose[0]()
		synctest.Wait()
		if ctx.Err() != nil {
			t.Error("it ended with the first member")
		}
		lose[1]()
		<-ctx.Done()
		if cause := context.Cause(ctx); !errors.Is(cause, errAllLost) {
			t.Errorf("it ended by %v, want %v", cause, errAllLost)
		}
		over()
		members, _ = membersOf(t, 1)
		ctx, over = whileAny(members)
		over()
		if ctx.Err() == nil {
			t.Error("it outlived the flush")
		}
	})
}
