package schemas

// Decided says that an event of that kind is a decision: appended by delivery
// under a term, and ignored by every reader unless that term is the newest.
// Claimed begins a term, and sealed ends the partition for all of them.
func (x Kind) Decided() bool {
	return x > Kind_KIND_CLAIMED && x < firstBeyondDecisions && x != Kind_KIND_SEALED
}

// firstBeyondDecisions is the first number that no decision will ever have.
const firstBeyondDecisions = Kind_KIND_STARTED
