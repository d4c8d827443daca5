// Package control knows the apps, their keys and their policies: facts in the compacted topic
// waybill.control, one record for each app, that carries the app whole.
//
//	waybill migrate --apps FILE ──Apply──▶ topics of the app
//	                                    ├─▶ waybill.audit    who, when, what
//	                                    └─▶ waybill.control ──▶ View, in every stage
//
// [Apply] is the only writer; an app's topics exist before its record does. A
// [View] follows the topic and holds all of it in memory; a change is in force
// in every stage as soon as the stage has read it.
//
// The topic is the authority. A view is lost with its process and read again;
// until it has been read to the end ([View.Ready]) nobody should be let in.
// API keys are stored as their SHA-256 only. Shared secrets that verify device
// tokens stand in waybill.control, since every gate needs them, and in
// waybill.audit as their SHA-256.
package control
