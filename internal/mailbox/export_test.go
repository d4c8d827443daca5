package mailbox

// KeepAtMost bounds what is kept for absent users, in bytes.
func (s *State) KeepAtMost(bytes int) { s.absents.limit = bytes }

// Kept is what is kept now, as it is counted.
func (s *State) Kept() int { return s.absents.bytes }
