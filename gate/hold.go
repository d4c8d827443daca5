package gate

// hold keeps the order of one connection's uplinks across refusals: after one
// was refused, every higher one is refused too, until it has been accepted, or
// given up: each uplink names the lowest that the device still holds. A device
// writes the refused ones again lowest first, and not before all of them are
// back (docs/protocol.md §8).
type hold struct {
	refused uint64 // the lowest that was refused and is waited for; 0 = none
}

// admits says whether an uplink may be offered to the log.
func (h *hold) admits(sequence, lowest uint64) bool {
	if lowest > h.refused {
		h.refused = 0
	}
	return h.refused == 0 || sequence <= h.refused
}

// refuse notes that the log did not take an uplink.
func (h *hold) refuse(sequence uint64) {
	if h.refused == 0 || sequence < h.refused {
		h.refused = sequence
	}
}

// accept notes that the log took an uplink which admits had let pass.
func (h *hold) accept(sequence uint64) {
	if sequence == h.refused {
		h.refused = 0
	}
}
