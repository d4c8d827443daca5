package client

import "waybill/schemas"

// answer is what a device does about a reason: the table of docs/protocol.md
// §9.
type answer struct {
	stop       bool // do not reconnect
	forget     bool // the ticket is worth nothing any more: log in
	newInstall bool // this storage is an old copy
	long       bool // somebody else uses the device's name: wait beyond the cap
}

// answerTo says what to do. The zero answer is to resume, with backoff.
func answerTo(r schemas.Reason) answer {
	switch r {
	case schemas.Reason_REASON_BAD_TOKEN, schemas.Reason_REASON_UNKNOWN_APP, schemas.Reason_REASON_NOT_ADMITTED:
		return answer{stop: true}
	case schemas.Reason_REASON_KICKED, schemas.Reason_REASON_REVOKED, schemas.Reason_REASON_LOGGED_OUT:
		return answer{stop: true, forget: true}
	case schemas.Reason_REASON_BAD_TICKET, schemas.Reason_REASON_TICKET_EXPIRED,
		schemas.Reason_REASON_SESSION_ENDED, schemas.Reason_REASON_SESSION_EXPIRED,
		schemas.Reason_REASON_IDENTIFIED, schemas.Reason_REASON_TOKEN_EXPIRED,
		schemas.Reason_REASON_TOO_MANY_DEVICES:
		return answer{forget: true}
	case schemas.Reason_REASON_REPLACED_SESSION:
		return answer{forget: true, long: true}
	case schemas.Reason_REASON_SUPERSEDED:
		return answer{long: true}
	case schemas.Reason_REASON_STALE_LOGIN:
		return answer{newInstall: true}
	}
	return answer{}
}

// retried says that an uplink refused for r is to be sent again.
func retried(r schemas.Reason) bool {
	return r == schemas.Reason_REASON_BUSY || r == schemas.Reason_REASON_LOG_AWAY || r == schemas.Reason_REASON_UPLINK_HELD
}
