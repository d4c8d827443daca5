package schemas

import "strings"

// Word is the reason as it stands in events, metrics, logs and pages:
// "ack_timeout". A reason of a newer version reads "reason_N".
func (x Reason) Word() string {
	name, ok := Reason_name[int32(x)]
	if !ok {
		return "reason_" + x.String()
	}
	return strings.ToLower(strings.TrimPrefix(name, "REASON_"))
}

// Explain says the reason in one sentence for a person.
func (x Reason) Explain() string {
	if s, ok := explanations[x]; ok {
		return s
	}
	return "This version of Waybill does not know the reason."
}

// ReasonOf is the reason with that word, and whether there is one.
func ReasonOf(word string) (Reason, bool) {
	n, ok := Reason_value["REASON_"+strings.ToUpper(word)]
	return Reason(n), ok
}

// Word is the class as it stands in metrics and pages: "delivered".
func (x Class) Word() string {
	return strings.ToLower(strings.TrimPrefix(x.String(), "CLASS_"))
}

// Word is the kind as it stands in metrics and pages: "pushed".
func (x Kind) Word() string {
	return strings.ToLower(strings.TrimPrefix(x.String(), "KIND_"))
}

var explanations = map[Reason]string{
	Reason_REASON_NONE:               "Nothing went wrong.",
	Reason_REASON_PEER_CLOSED:        "The device closed the connection.",
	Reason_REASON_IO_ERROR:           "The connection broke: the network or the device went away.",
	Reason_REASON_BAD_FRAME:          "The device sent bytes that are no frame.",
	Reason_REASON_UNKNOWN_VERSION:    "The device speaks a version of the protocol that this gate does not.",
	Reason_REASON_UNKNOWN_FLAG:       "The frame had a flag that this gate does not know.",
	Reason_REASON_FRAME_TOO_LARGE:    "The frame was larger than the connection's limit.",
	Reason_REASON_BAD_BODY:           "The body of a session frame could not be read.",
	Reason_REASON_NOT_LOGGED_IN:      "The device sent a frame before it had logged in.",
	Reason_REASON_SECOND_LOGIN:       "The device logged in twice on one connection.",
	Reason_REASON_LOGIN_TIMEOUT:      "The device connected and did not log in in time.",
	Reason_REASON_BAD_TOKEN:          "The device's token is malformed or was signed with another key.",
	Reason_REASON_TOKEN_EXPIRED:      "The device's token has expired; the application must fetch a new one.",
	Reason_REASON_UNKNOWN_APP:        "The app is not known to Waybill.",
	Reason_REASON_BAD_TICKET:         "The resume ticket is not one of this cluster; the device must log in.",
	Reason_REASON_TICKET_EXPIRED:     "The resume ticket has expired; the device must log in.",
	Reason_REASON_STALE_LOGIN:        "A newer connection of the same install is known; this one came late.",
	Reason_REASON_SUPERSEDED:         "The same device has a newer connection.",
	Reason_REASON_KICKED:             "A newer login of the user ended this session; the device must not reconnect by itself.",
	Reason_REASON_ACK_TIMEOUT:        "The device did not acknowledge a push in time, so the gate closed the connection.",
	Reason_REASON_HEARTBEAT_TIMEOUT:  "The device was silent for longer than its heartbeat allows.",
	Reason_REASON_QUEUE_FULL:         "The device read too slowly and its queue on the gate was full.",
	Reason_REASON_GAP:                "The gate missed a command for this connection; the device resumes to get everything.",
	Reason_REASON_GATE_STOPPING:      "The gate is being stopped; the device goes to another one.",
	Reason_REASON_GATE_REPLACED:      "Another process took over this gate's number.",
	Reason_REASON_GATE_SILENT:        "The gate gave no sign of life, so its connections count as gone.",
	Reason_REASON_DISPATCH_JUMP:      "The gate fell behind its commands' retention; its devices resume.",
	Reason_REASON_LOGGED_OUT:         "The person logged out.",
	Reason_REASON_SESSION_ENDED:      "The session has ended; the device must log in.",
	Reason_REASON_SESSION_EXPIRED:    "The device was away for longer than its app lets a session live; it must log in.",
	Reason_REASON_FLAPPING:           "Two devices, or two copies of one, took each other's place too often; this one must wait before it comes back.",
	Reason_REASON_TOO_MANY_DEVICES:   "The user logged in on more devices than Waybill keeps; this one was away longest and must log in.",
	Reason_REASON_NOT_ADMITTED:       "The token names no user, and the app lets in no devices without one.",
	Reason_REASON_BUSY:               "The log is slow or away; try again later.",
	Reason_REASON_UNKNOWN_COMMAND:    "Family 0 has no such command.",
	Reason_REASON_UNKNOWN_CONNECTION: "The gate has no such connection any more.",
	Reason_REASON_IDENTIFIED:         "The anonymous device has logged in as a person.",
	Reason_REASON_REVOKED:            "An operator revoked the session.",
	Reason_REASON_NO_HANDLER:         "Nobody answers this request.",
	Reason_REASON_REPLACED_SESSION:   "A newer login of the device replaced this session.",
	Reason_REASON_UPLINK_HELD:        "An earlier uplink of this connection was refused; later ones wait for it, so that order holds.",

	Reason_REASON_ACKED:               "The device acknowledged it.",
	Reason_REASON_CANCELED:            "The app-server canceled it.",
	Reason_REASON_COLLAPSED:           "A newer push with the same collapse key replaced it.",
	Reason_REASON_DUPLICATE:           "A push with the same push id had been accepted before.",
	Reason_REASON_DELIVERED_ELSEWHERE: "Another device of the user got it first.",
	Reason_REASON_EXPIRED:             "Its ttl passed before it could be sent.",
	Reason_REASON_NEVER_CONNECTED:     "Its ttl passed and no device of the user connected in that time.",
	Reason_REASON_OVERFLOW:            "The user's mailbox was full.",
	Reason_REASON_BLOCKED:             "The user or the device is on a block list.",
	Reason_REASON_TOO_LARGE:           "It is larger than the device's connection allows.",
	Reason_REASON_ID_REUSED:           "Its push id had been used for another body.",
	Reason_REASON_SENT_UNACKED:        "It was written to a socket and never acknowledged until its ttl passed.",
	Reason_REASON_NEVER_SENT:          "It was dispatched to a gate, no gate said that it was sent, and its ttl passed.",
	Reason_REASON_POISON:              "The application broke on it again and again; it was given up so that the rest can go on.",

	Reason_REASON_STRANGE_CURSOR: "The device's cursor lies beyond the log's end: it is from another log.",
	Reason_REASON_STRANGE_EPOCH:  "The device's cursor is of an epoch that this log never had.",
	Reason_REASON_LOG_CUT:        "The log was cut off before everything in it had been read.",

	Reason_REASON_BAD_REQUEST: "The call was malformed.",
	Reason_REASON_BAD_KEY:     "The API key is unknown.",
	Reason_REASON_LOG_AWAY:    "The log could not take the record; nothing was accepted, try again.",
	Reason_REASON_NOT_FOUND:   "There is nothing under that name, or not any more.",
}
