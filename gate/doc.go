// Package gate holds the devices' connections. It knows frames and nothing
// else: it reports what happens as facts, and obeys the commands that it reads
// from its partition of waybill.dispatch.
//
//	device ⇄ socket ⇄ conn ──facts──▶ Facts ──▶ the log
//	                    ▲
//	                    └── push, resumed, close ◀── waybill.dispatch[number]
//
// # A connection
//
// A conn is a state machine behind three ports: a socket (bytes out), [Facts]
// (facts out) and a clock. It has no goroutine and no timer; whoever brings it
// something (the socket's reader, the follower of commands, the log's
// acknowledgement, the wheel of deadlines) takes its lock and calls a method.
//
//	new ──login──▶ entering ──connected is in the log──▶ live ──▶ closing ──▶ closed
//
// Commands that arrive while a connection is entering wait behind the answer to
// its login. The gap rule, [Gap], decides about each write.
//
// # A token's end, and the gate's
//
// A connection ends with the token of its login, and so does every ticket of that
// login. A gate that is to stop hands its devices over: it names no address any
// more, so nobody is sent to it, and redirects them to the least loaded other
// gates at a bounded rate (drain.go). Its lease goes on until nobody is left.
//
// # Authority, and what may be lost
//
// The gate owns its connections and the numbers in their ids, nothing else. It
// decides neither what is pushed nor who is kicked. With it are lost: the
// connections (devices resume), the frames queued for them (dispatched again),
// and the newest cursor or end of a connection that could not be reported while
// the log was away (the device's next cursor says it again).
//
// A gate that was stopped or starved has read nothing meanwhile, so its clock
// leaves that time out: what the devices said is read before anybody is closed
// for silence. Its lease is judged by others, from waybill.gates.
//
// A gate's incarnation is the position of its `started`. It obeys, and answers
// `bounced`, for connection ids of its own incarnation only. A newer `started`
// of its number means that another process has taken over: it closes everything
// and Run returns [ErrReplaced].
package gate
