package snapshot

// RewriteAt lowers the number of push ids from which on the rows of
// recent_pushes are written anew.
func (s *Snapshot) RewriteAt(n int) { s.ids.limit = n }

var (
	Text   = text
	Untext = untext
	Plans  = sqlPlans
)

// Probes are the statements that look rows up, by positions or by places.
var Probes = map[string]string{
	"pushes_gone": sqlPushesGone, "debts_gone": sqlDebtsGone, "waiting_gone": sqlWaitingGone,
	"routes_gone": sqlRoutesGone, "closing_end": sqlClosingEnd, "tombs_end": sqlTombsEnd,
}
