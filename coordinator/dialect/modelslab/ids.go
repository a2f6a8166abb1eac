package modelslab

import (
	"strconv"
	"sync"
	"time"
)

// ids makes the numbers that clients know their jobs by: the microseconds since 2024, each used once,
// times two, plus one where the client wants base64. A number stays below 2^53 until 2166, so that
// every JSON parser reads it right, and a fetch finds out from it what the job's request asked for.
type ids struct {
	now func() time.Time

	mu   sync.Mutex
	last int64
}

var firstID = time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)

func (i *ids) next(base64 bool) int64 {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.last = max(i.last+1, i.now().Sub(firstID).Microseconds())
	if base64 {
		return i.last*2 + 1
	}
	return i.last * 2
}

// wantsBase64 reports whether a request asked for base64.
func wantsBase64(id int64) bool { return id%2 == 1 }

// parseID reads a number that may be an id.
func parseID(text string) (int64, error) {
	id, err := strconv.ParseInt(text, 10, 64)
	if err != nil || id < 1 {
		return 0, errNoRequest(text)
	}
	return id, nil
}
