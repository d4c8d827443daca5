// Package schemas holds the bytes that Waybill keeps and sends: Event (the
// log), Command (waybill.dispatch) and the session bodies of family 0.
//
// The .proto files are the source; the generated code stands beside them
// (`make generate`). What is written by hand here are the small value types
// that every stage shares: Position, ConnID, ID and the words of the reasons.
//
// A log is read for ever: fields are added, never changed or removed, and the
// golden bytes under testdata/golden keep every kind readable.
package schemas
