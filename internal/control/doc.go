// Package control knows the apps, their keys and their policies, which sessions
// are revoked, and the keys that seal tickets: facts in the compacted topic
// waybill.control, one record for each, that carries it whole.
//
//	waybill migrate --apps FILE ──Apply──▶ topics of the app
//	waybill migrate --rotate-key ─RotateKey─┐
//	waybill revoke ─────────────────Revoke──┼─▶ waybill.audit    who, when, what
//	                                        └─▶ waybill.control ──▶ View, in every stage
//
// [Apply], [RotateKey], [Revoke] and [Tidy] are the only writers; an app's topics
// exist before its record does. A [View] follows the topic and holds all of it
// in memory; a change is in force in every stage as soon as the stage has read
// it, and the view knows how long ago it was surely complete ([View.Behind]).
//
// The topic is the authority. A view is lost with its process and read again;
// until it has been read to the end ([View.Ready]) nobody should be let in.
// Revocations, and keys that a newer one has replaced, are kept for a day longer
// than tickets live: what is dropped earlier is in force no more.
//
// API keys are stored as their SHA-256 only. Shared secrets that verify device
// tokens stand in waybill.control, since every gate needs them, and in
// waybill.audit as their SHA-256. The keys that seal tickets stand there under
// the key that gates are configured with, and in the audit not at all.
package control
