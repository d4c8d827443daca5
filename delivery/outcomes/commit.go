package outcomes

import (
	"context"
	"errors"
	"time"
)

// stretchesMost is how many stretches wait to be committed; while an app's topic
// is away the newest one grows instead.
const stretchesMost = 4

// errRefused ends the worker: it begins anew from the last commit.
var errRefused = errors.New("a record was refused: the partition is told again from the last commit")

// settle closes the stretch that is old enough, and commits what is over.
func (w *worker) settle() error {
	if time.Since(w.reading.began) >= commitEvery && w.next > w.reading.first && len(w.read) < stretchesMost {
		w.closeStretch()
	}
	if w.reading.failed.Load() {
		return errRefused
	}
	for _, s := range w.read {
		if s.failed.Load() {
			return errRefused
		}
	}
	w.commit()
	w.say()
	return nil
}

func (w *worker) closeStretch() {
	w.reading.close(w.next, w.state)
	w.read = append(w.read, w.reading)
	w.reading = newStretch(w.wake, w.next)
}

// over takes the newest stretch up to which all is in the log; nil = none.
func (w *worker) over() (last *stretch) {
	for len(w.read) > 0 && w.read[0].over() {
		last, w.read = w.read[0], w.read[1:]
	}
	return last
}

// commit begins to commit what is over, unless a commit is under way, or has
// failed a moment ago.
func (w *worker) commit() {
	if w.saving != nil || time.Since(w.refused) < commitEvery {
		return
	}
	if w.saving = w.over(); w.saving == nil {
		return
	}
	s := w.saving
	go func() { w.committed <- w.save(s) }()
}

// save commits the stretch. It runs beside the reading.
func (w *worker) save(s *stretch) error {
	ctx, cancel := context.WithTimeout(context.Background(), commitMost)
	defer cancel()
	return w.p.Commit(ctx, s.next, s.state.encode())
}

// commitEnded: what could not be committed is tried again, with what has come
// after it.
func (w *worker) commitEnded(err error) {
	if err != nil {
		w.refused = time.Now()
		w.read = append([]*stretch{w.saving}, w.read...)
		w.log.Warn("outcomes that were told cannot be committed: after a crash they are told again", "err", err)
	}
	w.saving = nil
}

// drain waits for the end of what has been told, for a while, and commits it.
// What waits in lanes is told by whoever comes next.
func (w *worker) drain() error {
	late := time.NewTimer(drainMost)
	defer late.Stop()
	w.closeStretch()
	for timeout := false; !timeout && (w.saving != nil || w.onItsWay()); {
		select {
		case <-w.wake:
		case err := <-w.committed:
			w.commitEnded(err)
		case <-late.C:
			timeout = true
		}
	}
	if w.saving != nil {
		w.commitEnded(<-w.committed) // bounded by itself
	}
	if s := w.over(); s != nil {
		if err := w.save(s); err != nil {
			w.log.Warn("outcomes that were told cannot be committed: they are told again", "err", err)
		}
	}
	return nil
}

// onItsWay says that waiting makes more stretches whole.
func (w *worker) onItsWay() bool {
	for _, s := range w.read {
		if s.failed.Load() || w.waiting > 0 {
			return false
		}
		if !s.over() {
			return true
		}
	}
	return false
}
