package modelslab

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/coordinator/dialect"
)

// The key is in the body, and the body may be large. Only its beginning is read before the key is
// checked. A larger body whose key comes after its pictures waits for one of a few places, so that
// clients without a key cannot fill the memory.
const (
	maxStranger     = 256 << 10
	strangersAtOnce = 4
	strangersWait   = 30 * time.Second
)

// A visit is a request whose body may be read.
type visit struct {
	body  io.Reader
	key   string         // that was checked already, "" for none
	who   dialect.Caller // whose key it is
	leave func()
}

// greet reads the beginning of a request and decides whether the rest may come.
func (d *modelsLab) greet(w http.ResponseWriter, r *http.Request) (visit, error) {
	body := http.MaxBytesReader(w, r.Body, dialect.MaxBody)
	start, err := io.ReadAll(io.LimitReader(body, maxStranger))
	v := visit{body: io.MultiReader(bytes.NewReader(start), body), leave: func() {}}
	if err != nil || len(start) < maxStranger { // broken, as reading on will show, or whole
		return v, nil
	}
	if key := keyAhead(start); key != "" {
		v.key = key
		v.who, err = d.service.Caller(r.Context(), key)
		return v, err
	}
	if key := dialect.Key(r); key != "" {
		if v.who, err = d.service.Caller(r.Context(), key); err == nil {
			v.key = key
			return v, nil
		}
	}
	v.leave, err = d.place(r.Context())
	return v, err
}

// place waits for one of the places that strangers have.
func (d *modelsLab) place(ctx context.Context) (leave func(), err error) {
	ctx, stop := context.WithTimeout(ctx, strangersWait)
	defer stop()
	select {
	case d.strangers <- struct{}{}:
		return func() { <-d.strangers }, nil
	case <-ctx.Done():
		return nil, api.Errorf(api.CodeUnavailable, "too many large requests whose key comes late: put key before the pictures")
	}
}

// keyAhead is the key in the beginning of an object, "" where there is none.
func keyAhead(start []byte) string {
	d := json.NewDecoder(bytes.NewReader(start))
	if begin, err := d.Token(); err != nil || begin != json.Delim('{') {
		return ""
	}
	for {
		field, err := d.Token()
		if err != nil {
			return ""
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return ""
		}
		if field == "key" {
			var key string
			_ = json.Unmarshal(value, &key) // what is no string is refused with the whole
			return strings.TrimSpace(key)
		}
	}
}
