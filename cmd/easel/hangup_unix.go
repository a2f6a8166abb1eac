//go:build unix

package main

import (
	"os"
	"os/signal"
	"syscall"
)

// hangUps sends on a channel at every SIGHUP, the signal to read files again, until stop is called.
func hangUps() (received <-chan struct{}, stop func()) {
	signals, out, done := make(chan os.Signal, 1), make(chan struct{}), make(chan struct{})
	signal.Notify(signals, syscall.SIGHUP)
	go func() {
		for {
			select {
			case <-signals:
			case <-done:
				return
			}
			select {
			case out <- struct{}{}:
			case <-done:
				return
			}
		}
	}()
	return out, func() {
		signal.Stop(signals)
		close(done)
	}
}
