package session

import "sync"

// A group counts goroutines that may begin at any time until it is waited for.
type group struct {
	mu     sync.Mutex
	closed bool
	wait   sync.WaitGroup
}

// begin counts one more, or reports that it is too late.
func (g *group) begin() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.closed {
		g.wait.Add(1)
	}
	return !g.closed
}

func (g *group) done() { g.wait.Done() }

// close lets nobody begin any more and waits for those who did.
func (g *group) close() {
	g.mu.Lock()
	g.closed = true
	g.mu.Unlock()
	g.wait.Wait()
}
