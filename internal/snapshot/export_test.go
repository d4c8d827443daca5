package snapshot

// RewriteAt lowers the number of push ids from which on the rows of
// recent_pushes are written anew.
func (s *Snapshot) RewriteAt(n int) { s.ids.limit = n }

var (
	Text   = text
	Untext = untext
)
