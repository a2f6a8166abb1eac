// Package sse owns the form of server-sent events (WHATWG HTML, section 9.2): a [Writer] for those who
// send a stream and a [Reader] for those who follow one.
package sse

// An Event is one server-sent event.
type Event struct {
	ID   string // "" for none
	Name string // its type; "" for none, which browsers call "message"
	Data []byte // lines joined with \n
}
