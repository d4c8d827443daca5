package gate

// hold keeps the order of one connection's uplinks across refusals: after one
// was refused, no higher one passes before it has been accepted or given up.
// The device says with each uplink which is the lowest that it still holds; so
// while anything is held, only that lowest one passes, or the direct successor
// of the one accepted before.
type hold struct {
	high uint64 // highest sequence refused; 0 = nothing is held
	last uint64 // last one accepted while holding
}

// admits says whether an uplink may be offered to the log.
func (h *hold) admits(sequence, lowest uint64) bool {
	if h.high == 0 {
		return true
	}
	if lowest > h.high {
		*h = hold{}
		return true
	}
	return lowest >= sequence || sequence == h.last+1
}

// refuse notes a refusal, by the hold itself or by the log.
func (h *hold) refuse(sequence uint64) {
	h.high = max(h.high, sequence)
	if h.last >= sequence {
		h.last = 0
	}
}

// accept notes that the log took an uplink which admits had let pass.
func (h *hold) accept(sequence uint64) {
	if h.high == 0 {
		return
	}
	if h.last = sequence; sequence >= h.high {
		*h = hold{}
	}
}
