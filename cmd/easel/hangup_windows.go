package main

// hangUps never reports anything: there is no SIGHUP here.
func hangUps() (received <-chan struct{}, stop func()) { return nil, func() {} }
