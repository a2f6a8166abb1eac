package main

// hangUps never tells of anything: there is no SIGHUP here.
func hangUps() (received <-chan struct{}, stop func()) { return nil, func() {} }
