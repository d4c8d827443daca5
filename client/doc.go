// Package client is the device SDK: it keeps one connection to a gate, hands
// pushes to the application and brings uplinks to the log.
//
//	          Store (install, count, sequence, cursor, ticket)
//	            ^ saved before a login, before an ack
//	            |
//	gate ==> reader ==> queue (one window) ==> handler goroutine ==> Handler
//	  ^                                            | cursor
//	  +==== writer <== outboxes <== Send, Request, Opened
//
// A [Client] runs three goroutines while [Client.Run] does: Run itself dials,
// logs in and reads; one calls the Handler, one push at a time and in order,
// across connections; one writes. Nothing else is ever started but timers.
//
// Authority: the log says what a device is owed and in which order, the gate
// only forwards it, and the device alone says what it has handled: its cursor.
// A push is acknowledged when the Handler has returned nil and the cursor has
// been saved, in that order. So nothing is lost, and a push can come twice only
// if the process dies between the two. An application that must not see that
// either saves [Push.Position] together with what the push did, in one
// transaction, and returns it as the cursor from its [Store].
//
// The cursor is a user's. Where Config.Token names another person than before,
// or the first one on a device that was let in without ([Client.Relogin]), the
// cursor begins at 0; install, count and sequence are the device's and stay.
//
// What may be lost: uplinks that wait in memory when the process ends. Send
// returns nil only for those that are in the log.
//
// This is the only package with a compatibility promise: exported names and
// their meaning stay. docs/protocol.md is what it speaks.
package client
